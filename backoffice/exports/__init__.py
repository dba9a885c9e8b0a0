"""Files of rows. Of a list: `changelists` finds its rows, `exported_rows` chooses columns, `spreadsheets` writes, `pages` answers.

Of a tenant's ledgers: `ledger_files` names them all.
"""
