-- What a condition compares: one field of a transaction or of the payment it asks for.
-- Takes: the transaction, and the condition's fieldType and fieldName. Returns: the value as JSON; null where the transaction lacks it.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION rules_condition_value(subject rules_subject, field_type text, field_name text)
RETURNS json
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    RETURN CASE field_type
        WHEN 'service' THEN to_json(subject.service_name)
        WHEN 'action' THEN to_json(subject.action_name)
        WHEN 'resource' THEN to_json(subject.resource_name)
        WHEN 'qualifier' THEN rules_json_member(subject.qualifiers, field_name)
        WHEN 'payment_property' THEN rules_json_member(subject.payment, field_name)
        WHEN 'transaction_property' THEN CASE
            WHEN field_name = 'agentName' THEN to_json(subject.agent_name)
            WHEN field_name = 'traceId' THEN to_json(subject.trace_reference)
            WHEN field_name = 'traceExternalId' THEN to_json(subject.trace_external_id)
            WHEN field_name = 'customerId' THEN to_json(subject.customer_id)
            WHEN starts_with(field_name, 'metadata.') THEN rules_json_member(subject.metadata, substr(field_name, 10))
        END
    END;
END
$$;
