"""Exports of a list: `changelists` finds its rows, `exported_rows` chooses columns, `spreadsheets` writes files."""
