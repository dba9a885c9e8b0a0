"""The same job as the tutorials teach it: a model serializer, a generic view, a transaction, a row lock, get_or_create."""
