"""What migrations install beside tables: the functions of an app's `sql/` folder with their versions, and constraints and triggers."""
