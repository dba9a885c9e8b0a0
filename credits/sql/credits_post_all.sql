-- Posts what was decided under locks that are still held: an outcome other than `posted` is then a fault of ours, and nothing stays.
CREATE OR REPLACE FUNCTION credits_post_all(postings jsonb) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    failed text;
BEGIN
    SELECT string_agg(DISTINCT outcome, ', ') INTO failed FROM credits_post(coalesce(postings, '[]')) WHERE outcome <> 'posted';
    IF failed IS NOT NULL THEN
        RAISE EXCEPTION 'a planned posting was refused: %', failed;
    END IF;
END
$$;
