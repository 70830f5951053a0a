"""Second factors: one-time codes of users, from enrolment to reset."""
