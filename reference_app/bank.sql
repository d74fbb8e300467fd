-- The bank: orders for e-payments, and the statements that units hand in. An order is written by the
-- payment's own transaction and sent afterwards (bank.py), so the bank is never asked inside a
-- transaction, and no payment is without its order. Filled after schema.sql.

-- Payee and amount stand in the document, which never changes. `taken_until`: a worker that is
-- sending the order holds it; when it dies, another takes the order up.
CREATE TABLE ledger.bank_order (
    unit int NOT NULL,
    document bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'accepted', 'refused', 'withdrawn')),
    attempts int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    taken_until timestamptz NOT NULL DEFAULT '-infinity',
    bank_reference text,
    reason text,
    PRIMARY KEY (unit, document)
);
CREATE INDEX bank_order_waiting ON ledger.bank_order (next_at) WHERE state = 'waiting';

CREATE TRIGGER bank_order_is_final BEFORE UPDATE OR DELETE ON ledger.bank_order
    FOR EACH ROW WHEN (OLD.state <> 'waiting') EXECUTE FUNCTION ledger.refuse_change();

CREATE FUNCTION ledger.order_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.bank_order (unit, document) VALUES (NEW.unit, NEW.document);
    RETURN NULL;
END $$;

CREATE TRIGGER payment_is_ordered AFTER INSERT ON ledger.document FOR EACH ROW
    WHEN (NEW.note = 'e-payment' AND NEW.amount > NEW.withholding_tax AND NEW.reference IS NOT NULL
        AND NEW.kind IN ('payment', 'advance', 'deposit_refund', 'tax_remittance_payment'))
    EXECUTE FUNCTION ledger.order_payment();

-- A payment that is reversed before its order was first sent never goes to the bank. One that was
-- sent is asked for to the end: then the bank owes the money back, and the reconciliation says so.
CREATE FUNCTION ledger.withdraw_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger.bank_order SET state = 'withdrawn'
    WHERE unit = NEW.unit AND document = NEW.reference AND state = 'waiting' AND attempts = 0;
    RETURN NULL;
END $$;

CREATE TRIGGER reversal_withdraws_order AFTER INSERT ON ledger.document FOR EACH ROW
    WHEN (NEW.kind = 'reversal') EXECUTE FUNCTION ledger.withdraw_order();

-- Lines of the bank's statements; money out is negative. `document` is what the bank calls it.
CREATE TABLE ledger.bank_entry (
    unit int NOT NULL,
    entry text NOT NULL,
    date date NOT NULL,
    amount numeric(24, 2) NOT NULL,
    document bigint,
    description text NOT NULL,
    PRIMARY KEY (unit, entry)
);
CREATE INDEX bank_entry_of_document ON ledger.bank_entry (unit, document);

-- Every upload that was taken: the same key gets the same answer.
CREATE TABLE ledger.bank_statement (
    unit int NOT NULL,
    key uuid NOT NULL,
    payload_hash bytea NOT NULL,
    account bigint NOT NULL,
    answer text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit, key)
);

CREATE TRIGGER bank_entry_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.bank_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER bank_statement_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.bank_statement
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.bank_order ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.bank_entry ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.bank_statement ALTER COLUMN unit SET (n_distinct = 100);

-- Whether money of a request that was paid and taken back is still out: the bank has the order, or may
-- have it, and no line of its statements has brought the money back. Asked of requests paid before.
CREATE FUNCTION ledger.is_money_out(of_unit int, request bigint) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM ledger.bank_order AS o JOIN ledger.document AS p ON p.unit = o.unit AND p.document = o.document
    WHERE o.unit = of_unit AND p.reference = request AND o.state IN ('waiting', 'accepted')
        AND coalesce((SELECT sum(e.amount) FROM ledger.bank_entry AS e
            WHERE e.unit = of_unit AND e.document = o.document), -1) < 0);

-- Whether the bank has refused an e-payment that the books still hold as paid.
CREATE FUNCTION ledger.is_payment_refused(of_unit int) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM ledger.bank_order AS o
    WHERE o.unit = of_unit AND o.state = 'refused' AND NOT EXISTS (
        SELECT FROM ledger.document AS v
        WHERE v.unit = of_unit AND v.reference = o.document AND v.kind = 'reversal'));

-- Take the lines of a statement (statement.StatementLine as JSON), all or none, with the outcome
-- words of ledger.post. The lock on the book makes two uploads of a unit follow each other.
CREATE FUNCTION ledger.receive_statement(
    of_unit int, of_key uuid, hash bytea, of_account bigint, lines json
) RETURNS TABLE (outcome text, answer text) LANGUAGE plpgsql AS $$
DECLARE
    new_count int;
BEGIN
    PERFORM FROM ledger.book WHERE unit = of_unit FOR NO KEY UPDATE;
    SELECT CASE WHEN s.payload_hash = hash THEN 'replay' ELSE 'idempotency-key-reused' END, s.answer
    INTO outcome, answer FROM ledger.bank_statement AS s WHERE s.unit = of_unit AND s.key = of_key;
    IF NOT FOUND THEN
        SELECT 'wrong-state', min(n.entry) INTO outcome, answer
        FROM json_to_recordset(lines)
            AS n (entry text, date date, amount numeric, document bigint, description text)
        JOIN ledger.bank_entry AS e ON e.unit = of_unit AND e.entry = n.entry
        WHERE (n.date, n.amount, n.document, n.description)
            IS DISTINCT FROM (e.date, e.amount, e.document, e.description);
        IF answer IS NULL THEN
            INSERT INTO ledger.bank_entry (unit, entry, date, amount, document, description)
            SELECT of_unit, n.* FROM json_to_recordset(lines)
                AS n (entry text, date date, amount numeric, document bigint, description text)
            ON CONFLICT DO NOTHING;
            GET DIAGNOSTICS new_count = ROW_COUNT;
            outcome := 'ok';
            answer := format('{"unit":%s,"lines":%s,"new":%s,"known":%s}', of_unit,
                json_array_length(lines), new_count, json_array_length(lines) - new_count);
            INSERT INTO ledger.bank_statement (unit, key, payload_hash, account, answer)
            VALUES (of_unit, of_key, hash, of_account, answer);
        END IF;
    END IF;
    RETURN NEXT;
END $$;
