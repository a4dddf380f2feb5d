WITH asked AS MATERIALIZED (
    SELECT key, session, amount FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS asked (key, session, amount)
), sums AS MATERIALIZED (
    SELECT session, sum(amount)::bigint AS amount FROM asked GROUP BY session
), locked AS MATERIALIZED (
    SELECT id FROM sessions WHERE id IN (SELECT session FROM sums) ORDER BY id FOR UPDATE
), paid AS (
    UPDATE sessions SET spent = spent + sums.amount
    FROM sums JOIN locked ON locked.id = sums.session
    WHERE sessions.id = locked.id AND cap - spent >= sums.amount AND ends_at > now()
    RETURNING sessions.id
)
INSERT INTO debits (key, session, amount)
SELECT key, session, amount FROM asked JOIN paid ON paid.id = asked.session
