-- Posts what another function decided under locks that it still holds: any outcome but `posted` is then a fault of ours.
-- Takes: a tenant, postings or null. Returns: nothing. Locks: nothing new. Never: returns with part of them posted; it raises.
CREATE OR REPLACE FUNCTION credits_post_planned(tenant uuid, postings jsonb) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    failed text;
BEGIN
    SELECT string_agg(DISTINCT outcome, ', ') INTO failed
    FROM credits_post(tenant, coalesce(postings, '[]')) WHERE outcome <> 'posted';
    IF failed IS NOT NULL THEN
        RAISE EXCEPTION 'a planned posting was refused: %', failed;
    END IF;
END
$$;
