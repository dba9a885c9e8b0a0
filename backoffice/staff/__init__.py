"""What each member of staff has: the sign-in, the profile, the saved views."""
