\set nth :nth + 1
\set key (:client_id + 1) * 4294967296 + :nth
\set session (:nth * :clients + :client_id) % :sessions
\set amount 600 + :nth % 7
WITH paid AS (
    UPDATE sessions SET spent = spent + :amount
    WHERE id = :session AND cap - spent >= :amount AND ends_at > now()
    RETURNING id
)
INSERT INTO debits (key, session, amount) SELECT :key, id, :amount FROM paid;
