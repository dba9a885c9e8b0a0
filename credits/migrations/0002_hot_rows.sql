-- Balances change all the time: room in the page lets the new version of a row stay beside the old one, without touching an index.
ALTER TABLE credits_grant SET (fillfactor = 60);
ALTER TABLE credits_holdline SET (fillfactor = 70);
