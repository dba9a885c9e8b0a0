-- Decides by a tenant's spending rules on a transaction. It is exact under any concurrency: it holds the locks of all counters that the
-- transaction is measured by.
-- Takes: the tenant, the transaction with the payment it asks for, the rules whose denial a person has overruled (or null), and who
-- overruled them and why.
-- Returns: the decision: authorized; denied, if any rule denies; preparing, if all rules that deny leave it to a person. `reason` is that
-- of the first rule that denies, `passes_at` the soonest moment at which all limits that deny would let the same through.
-- Steps of a decision; what stands further in is called by what stands above it:
--   1. rules_decide_new or rules_decide_move  the entry, for a transaction that is about to be recorded or to be authorized: reads it, and
--                                             asks the rules if it is to be decided.
--        rules_decide                           this function,
--          rules_amounts_by_measure               what the transaction adds to each measure,
--          rules_lock_counters                    locks the counters of these measures,
--          rules_decision_moment                  takes the time under the locks,
--          rules_read_counters                    what each counter holds within its window,
--          rules_evaluate                         lets each active rule decide: rules_matches for its conditions, rules_check_limits for
--                                                 its limits,
--          rules_add_pass_times                   of a denial: when each limit would let the same transaction through.
--   2. rules_record_new or rules_record_move  writes the decision once the transaction stands, by
--        rules_write_decision                   the round and its denials,
--          rules_enter_into_counters              what an authorized transaction adds to the counters,
--          rules_report_denials                   the events of denials, where somebody listens.
-- Locks: the counters (rules_lock_counters). The caller holds the transaction's lock and the shared lock of the tenant's rules.
-- Never: counts anything; rules_write_decision does, for a decision that authorizes.
CREATE OR REPLACE FUNCTION rules_decide(tenant uuid, subject rules_subject, overruled uuid[], override jsonb)
RETURNS rules_decision
LANGUAGE plpgsql
AS $$
DECLARE
    decision rules_decision;
    measured rules_measured[] := rules_lock_counters(
        tenant, rules_amounts_by_measure(tenant, subject), CASE WHEN subject.round > 1 THEN subject.transaction_id END
    );
    denials jsonb;
BEGIN
    decision.decided_at := rules_decision_moment(tenant, measured);
    measured := rules_read_counters(tenant, subject.transaction_id, measured, decision.decided_at);
    decision.measured := measured;
    decision.executions := rules_evaluate(tenant, subject, measured, overruled, override);
    decision.rule_ids := ARRAY(SELECT DISTINCT (one ->> 'rule')::uuid FROM jsonb_array_elements(decision.executions) AS one);
    denials := jsonb_path_query_array(decision.executions, '$[*] ? (@.decision == "DENIED")');
    IF denials = '[]' THEN
        decision.status := 'authorized';
        decision.executions := rules_short_executions(decision.executions);
        RETURN decision;
    END IF;
    decision.status := CASE WHEN denials @? '$[*] ? (@.waits == false)' THEN 'denied' ELSE 'preparing' END;
    decision.reason := denials -> 0 ->> 'reason';
    decision.executions := rules_add_pass_times(tenant, subject.transaction_id, measured, decision.executions);
    SELECT CASE WHEN bool_and((checked ->> 'passesAt') IS NOT NULL) THEN max((checked ->> 'passesAt')::timestamptz) END
    INTO decision.passes_at
    FROM jsonb_path_query(decision.executions, '$[*] ? (@.decision == "DENIED").limits[*] ? (@.isAllowed == false)') AS checked
    WHERE NOT jsonb_path_exists(denials, '$[*] ? (@.limits.size() == 0)');
    RETURN decision;
END
$$;
