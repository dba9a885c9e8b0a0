"""Files of rows: unpacked, decoded to UTF-8 and read record by record in constant memory, whatever their format."""
