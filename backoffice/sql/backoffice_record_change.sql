-- Records who changed which setting: one row for each change, also for changes by raw SQL. The trigger's argument lists columns, separated
-- by commas, that the record leaves out, such as password hashes.
CREATE OR REPLACE FUNCTION backoffice_record_change() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
    hidden text[] := string_to_array(TG_ARGV[0], ',');
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden END;
    either jsonb := coalesce(new_row, old_row);
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) = to_jsonb(NEW) THEN
        RETURN NULL;
    END IF;
    -- A sign-in stores the password's digest anew, with more rounds, where it is old: nobody changed anything.
    IF TG_OP = 'UPDATE' AND old_row = new_row AND current_setting('countinghouse.sign_in', true) = 'on' THEN
        RETURN NULL;
    END IF;
    INSERT INTO backoffice_change (at, "table", "row", tenant_id, operation, before, after, actor, request_id, database_user)
    VALUES (
        clock_timestamp(), TG_TABLE_NAME, either ->> 'id',
        CASE WHEN TG_TABLE_NAME = 'tenants_tenant' THEN (either ->> 'id')::uuid ELSE (either ->> 'tenant_id')::uuid END,
        TG_OP, old_row, new_row, coalesce(current_setting('countinghouse.actor', true), ''),
        coalesce(current_setting('countinghouse.request_id', true), ''), session_user
    );
    RETURN NULL;
END;
$$;
