-- Updates the counter entries of transactions to what their costs and payments are now.
-- Takes: the tenant, the transactions, which the caller has locked, and the request id of the change. Returns: nothing.
-- Locks: the counters that have an entry of them, by id. Never: touches an entry that has left its window, refuses anything, or makes an
-- entry: a transaction that was never authorized stays uncounted.
CREATE OR REPLACE FUNCTION rules_recount(tenant uuid, transactions uuid[], request text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    held record;
    subject rules_subject;
    new_amount numeric;
    changed rules_rulecounter;
    has_listener CONSTANT boolean := EXISTS (SELECT FROM events_listener AS listener WHERE listener.tenant_id = tenant);
BEGIN
    PERFORM rules_lock_entries(tenant, transactions);
    FOR held IN
        SELECT entry.id, entry.counter_id, entry.transaction_id, entry.amount, measure.measurement_type, measure.currency,
            measure.include_estimates
        FROM rules_rulecounterentry AS entry
        JOIN rules_rulecounter AS counter ON counter.tenant_id = tenant AND counter.id = entry.counter_id
        JOIN rules_rulemeasure AS measure ON measure.tenant_id = tenant AND measure.id = counter.measure_id
        WHERE entry.tenant_id = tenant AND entry.transaction_id = ANY (transactions) AND entry.at > counter.tail_at
            AND measure.measurement_type <> 'count_transactions'
        ORDER BY entry.transaction_id
    LOOP
        IF subject.transaction_id IS DISTINCT FROM held.transaction_id THEN
            subject := rules_read_subject(tenant, held.transaction_id);
        END IF;
        new_amount := coalesce(rules_measured_amount(subject, held.measurement_type, held.currency, held.include_estimates), 0);
        IF new_amount <> held.amount THEN
            UPDATE rules_rulecounterentry AS entry SET amount = new_amount
            WHERE entry.tenant_id = tenant AND entry.id = held.id;
            UPDATE rules_rulecounter AS counter SET used = counter.used + (new_amount - held.amount)
            WHERE counter.tenant_id = tenant AND counter.id = held.counter_id
            RETURNING * INTO changed;
            IF has_listener THEN
                PERFORM rules_report_limits(
                    tenant, request, changed.measure_id, changed.group_key, changed.used - (new_amount - held.amount), changed.used,
                    changed.tail_at, changed.last_at, clock_timestamp()
                );
            END IF;
        END IF;
    END LOOP;
END
$$;
