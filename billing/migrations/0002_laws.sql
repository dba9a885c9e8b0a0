-- A transaction names its type together with the direction it was booked in, so the database itself keeps a used type's direction.
ALTER TABLE billing_transaction ADD CONSTRAINT billing_transaction_type_fkey
    FOREIGN KEY (tenant_id, type, direction) REFERENCES billing_transactiontype (tenant_id, code, direction);

-- The cast fails on what isn't JSON.
ALTER TABLE billing_transaction ADD CONSTRAINT billing_transaction_metadata_check CHECK (metadata IS NULL OR metadata::json IS NOT NULL);

-- Found from the original: its reversals.
CREATE INDEX billing_transaction_reverses_index ON billing_transaction (tenant_id, reverses_id) WHERE reverses_id IS NOT NULL;

-- Every posting updates these rows; free space keeps the new version on the same page.
ALTER TABLE billing_wallet SET (fillfactor = 50);
ALTER TABLE billing_dailytotal SET (fillfactor = 70);
