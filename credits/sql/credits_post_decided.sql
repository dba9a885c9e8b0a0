-- Posts what another function has decided under locks that it still holds. Any outcome other than posted is a defect of that function, so
-- it raises.
-- Takes: a tenant, postings or null. Returns: nothing. Locks: nothing new. Never: returns with only a part of them posted.
CREATE OR REPLACE FUNCTION credits_post_decided(tenant uuid, postings jsonb) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    failed text;
BEGIN
    SELECT string_agg(DISTINCT outcome, ', ') INTO failed
    FROM credits_post(tenant, coalesce(postings, '[]')) WHERE outcome <> 'posted';
    IF failed IS NOT NULL THEN
        RAISE EXCEPTION 'a decided posting was refused: %', failed;
    END IF;
END
$$;
