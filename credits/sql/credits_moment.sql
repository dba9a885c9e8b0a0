-- When a posting without a date of its own happened. Where the application's clock and the book's agree to the minute there is one time.
CREATE OR REPLACE FUNCTION credits_moment(now timestamp with time zone, created_at timestamp with time zone)
RETURNS timestamp with time zone
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN abs(extract(epoch FROM now - created_at)) < 60 THEN created_at ELSE now END
$$;
