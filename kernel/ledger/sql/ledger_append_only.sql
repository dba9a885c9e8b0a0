-- Refuses the statement that fired it. AppendOnly (kernel/ledger/database_functions/migration_operations.py) puts it on tables whose rows
-- never change.
CREATE OR REPLACE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = format('%s of %I is refused: the ledger is append-only; post a correcting entry instead', lower(TG_OP), TG_TABLE_NAME),
        TABLE = TG_TABLE_NAME,
        CONSTRAINT = 'ledger_append_only';
END;
$$;
