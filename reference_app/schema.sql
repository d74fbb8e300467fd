-- The ledger's tables and its one posting function. Everything large is keyed with the unit first;
-- nothing is shared between units: no national counter, no national balance, no lock for the nation.
--
-- What the database refuses by itself, whoever asks: lines of a document that do not balance, a
-- document or lines in a closed period, a gap in the numbers, any change of a posted document, line
-- or answered request, a balance that is not the sum of the lines, a budget line below zero, a second
-- reversal, a payment released by the person who prepared the request. What cannot be refused (a
-- superuser who takes the triggers away) breaks the audit trail: every write is linked to the one
-- before it by a hash.

CREATE SCHEMA ledger;

-- Accounting units; a pseudo-unit PROVINCE * 100000 is a provincial office and keeps no books.
CREATE TABLE ledger.unit (
    unit int PRIMARY KEY,
    parent int NOT NULL,
    type text NOT NULL,
    province smallint NOT NULL,
    district text NOT NULL,
    name_th text NOT NULL,
    name_en text NOT NULL,
    annual_budget numeric(24, 2) NOT NULL
);
CREATE INDEX unit_of_province ON ledger.unit (province, unit);

-- People. The citizen number stands here only as a keyed hash.
CREATE TABLE ledger.account (
    account bigint PRIMARY KEY,
    unit int NOT NULL,
    roles text[] NOT NULL,
    pid_hash bytea NOT NULL UNIQUE
);

CREATE TABLE ledger.chart (
    account int PRIMARY KEY,
    class smallint NOT NULL,
    is_cash boolean NOT NULL,
    name_th text NOT NULL,
    name_en text NOT NULL
);

-- One row per unit: which periods are open, how many documents and answered writes there are, and
-- the head of the audit trail. A posting locks this row, and closing a period does, so no posting can
-- slip into a period that is being closed. `import` is the file that is being posted (imports.sql);
-- no period is closed meanwhile.
CREATE TABLE ledger.book (
    unit int PRIMARY KEY,
    first_period int NOT NULL,
    closed_through int NOT NULL,
    last_period int NOT NULL,
    document_count int NOT NULL,
    request_count int NOT NULL DEFAULT 0,
    head bytea NOT NULL DEFAULT '',
    import uuid
) WITH (fillfactor = 40);

-- Gapless numbers: a row, not a sequence, because a rollback must give its number back.
CREATE TABLE ledger.counter (
    unit int NOT NULL,
    kind text NOT NULL,
    fiscal_year smallint NOT NULL,
    last_number int NOT NULL,
    PRIMARY KEY (unit, kind, fiscal_year)
) WITH (fillfactor = 50);

-- `brought` is what the former system had appropriated; it never changes.
CREATE TABLE ledger.budget_line (
    unit int NOT NULL,
    fiscal_year smallint NOT NULL,
    budget_line text NOT NULL,
    account int NOT NULL,
    appropriated numeric(24, 2) NOT NULL,
    brought numeric(24, 2) NOT NULL DEFAULT 0,
    transferred numeric(24, 2) NOT NULL DEFAULT 0,
    committed numeric(24, 2) NOT NULL DEFAULT 0,
    paid numeric(24, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (unit, fiscal_year, budget_line),
    CONSTRAINT budget_never_negative
    CHECK (appropriated + transferred - committed - paid >= 0 AND committed >= 0)
) WITH (fillfactor = 80);

-- Posted documents; never changed. `document` = unit * 10^7 + running count within the unit.
-- `gross` is the total debit, `amount` what a document without lines is about.
CREATE TABLE ledger.document (
    unit int NOT NULL,
    document bigint NOT NULL,
    kind text NOT NULL,
    fiscal_year smallint NOT NULL,
    number int NOT NULL,
    period int NOT NULL,
    date date NOT NULL,
    key uuid,
    prepared_by bigint NOT NULL,
    gross numeric(24, 2) NOT NULL,
    amount numeric(24, 2) NOT NULL,
    withholding_tax numeric(24, 2) NOT NULL,
    budget_line text,
    to_line text,
    party text,
    note text,
    reference bigint,
    status text NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit, document),
    UNIQUE (unit, kind, fiscal_year, number),
    CONSTRAINT year_closed_once CHECK (kind <> 'year_close' OR number = 1)
);
CREATE INDEX document_by_date ON ledger.document (unit, date);
CREATE UNIQUE INDEX document_reversed_once ON ledger.document (unit, reference)
WHERE kind = 'reversal';

CREATE TABLE ledger.line (
    unit int NOT NULL,
    document bigint NOT NULL,
    position smallint NOT NULL,
    period int NOT NULL,
    account int NOT NULL,
    debit numeric(24, 2) NOT NULL,
    credit numeric(24, 2) NOT NULL,
    PRIMARY KEY (unit, document, position),
    CONSTRAINT one_side CHECK (debit >= 0 AND credit >= 0 AND (debit > 0) <> (credit > 0))
);

-- Running movement of an account in a period, per unit only: kept by the trigger on the lines, and
-- by nobody else.
CREATE TABLE ledger.balance (
    unit int NOT NULL,
    period int NOT NULL,
    account int NOT NULL,
    debit numeric(24, 2) NOT NULL,
    credit numeric(24, 2) NOT NULL,
    PRIMARY KEY (unit, period, account)
) WITH (fillfactor = 70);

-- State of documents that wait for somebody. `people` took the steps, the preparer first.
CREATE TABLE ledger.workflow (
    unit int NOT NULL,
    document bigint NOT NULL,
    status text NOT NULL,
    is_open boolean NOT NULL,
    open_amount numeric(24, 2) NOT NULL CHECK (open_amount >= 0),
    people bigint[] NOT NULL,
    PRIMARY KEY (unit, document),
    CONSTRAINT two_persons CHECK (
        status NOT IN ('checked', 'approved', 'paid', 'granted', 'refunded') OR people[1] <> ALL (people[2:])
    )
) WITH (fillfactor = 70);
CREATE INDEX workflow_open ON ledger.workflow (unit, document) WHERE is_open;

-- Every answered write, kept for the fiscal year: the same key gets the same answer. They are the
-- audit trail of the unit, too: `link` is the SHA-256 of the link before and of what was written
-- (audit.sql), so nothing can be changed, left out or put in between later without a trace.
CREATE TABLE ledger.request (
    unit int NOT NULL,
    key uuid NOT NULL,
    payload_hash bytea NOT NULL,
    account bigint NOT NULL,
    answer text NOT NULL,
    position int NOT NULL,
    link bytea NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit, key)
);

-- Plan for the end of the year, not for its first day, when a unit has one document and any index
-- that begins with the unit looks as good as the right one.
ALTER TABLE ledger.document ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.line ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.balance ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.counter ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.workflow ALTER COLUMN unit SET (n_distinct = 100);
ALTER TABLE ledger.request ALTER COLUMN unit SET (n_distinct = 100);

CREATE FUNCTION ledger.period_text(period int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (period / 100)::text || '-' || right((period + 100)::text, 2);

CREATE FUNCTION ledger.next_period(period int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN CASE WHEN period % 100 = 12 THEN period + 89 ELSE period + 1 END;

CREATE FUNCTION ledger.previous_period(period int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN CASE WHEN period % 100 = 1 THEN period - 89 ELSE period - 1 END;

-- Fiscal year (BE) of a period: from October on it is the next one.
CREATE FUNCTION ledger.fiscal_year(period int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN period / 100 + 543 + (period % 100 >= 10)::int;

CREATE FUNCTION ledger.answer_text(document bigint, number int, kind text, period int, status text)
RETURNS text LANGUAGE sql STABLE
RETURN format('{"document":%s,"number":%s,"kind":"%s","period":"%s","status":"%s"}',
    document, number, kind, ledger.period_text(period), status);

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER document_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.document
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER line_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.line
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER request_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.request
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER budget_line_stays BEFORE DELETE OR TRUNCATE ON ledger.budget_line
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER workflow_stays BEFORE DELETE OR TRUNCATE ON ledger.workflow
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER book_stays BEFORE DELETE OR TRUNCATE ON ledger.book
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- A document falls in an open period, and its number follows the one before it. Only the document
-- that closes a year closes its own period.
CREATE FUNCTION ledger.check_new_documents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            SELECT unit, kind, fiscal_year, min(number) AS first, max(number) AS last,
                count(*) AS documents, min(period) AS period
            FROM new_document GROUP BY unit, kind, fiscal_year
        ) AS n
        JOIN ledger.book AS b ON b.unit = n.unit
        LEFT JOIN ledger.document AS d ON d.unit = n.unit AND d.kind = n.kind
            AND d.fiscal_year = n.fiscal_year AND d.number = n.first - 1
        WHERE n.period < b.closed_through + (n.kind <> 'year_close')::int
            OR n.first < 1 OR n.last - n.first + 1 <> n.documents
            OR n.first > 1 AND d.number IS NULL
    ) THEN
        RAISE EXCEPTION 'a document leaves a gap in the numbers, or its period is closed'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER document_in_order AFTER INSERT ON ledger.document
    REFERENCING NEW TABLE AS new_document
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_new_documents();

-- All lines of a document arrive in one statement and with it, balance to the document's gross and
-- fall in an open period; so nothing can be added to a posted document later. The balances move
-- with the lines.
CREATE FUNCTION ledger.balance_new_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            SELECT unit, document, min(period) AS period, max(period) AS last_period,
                sum(debit) AS debit, sum(credit) AS credit
            FROM new_line GROUP BY unit, document
        ) AS n
        LEFT JOIN ledger.document AS d ON d.unit = n.unit AND d.document = n.document
        LEFT JOIN ledger.book AS b ON b.unit = n.unit
        WHERE n.debit IS DISTINCT FROM n.credit OR n.debit IS DISTINCT FROM d.gross
            OR n.period IS DISTINCT FROM d.period OR n.last_period <> d.period
            OR d.posted_at <> now()
            OR (n.period >= b.closed_through + (d.kind <> 'year_close')::int) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'lines do not balance to their document, or their period is closed'
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger.balance AS b (unit, period, account, debit, credit)
    SELECT unit, period, account, sum(debit), sum(credit) FROM new_line
    GROUP BY unit, period, account
    ON CONFLICT (unit, period, account)
    DO UPDATE SET debit = b.debit + excluded.debit, credit = b.credit + excluded.credit;
    RETURN NULL;
END $$;

CREATE TRIGGER line_balances AFTER INSERT ON ledger.line REFERENCING NEW TABLE AS new_line
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.balance_new_lines();

CREATE TRIGGER balance_is_of_lines BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ledger.balance
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger.refuse_change();

-- What the audit trail holds of one write: the request, and the document with its lines, if any.
CREATE FUNCTION ledger.trail_text(
    key uuid, account bigint, payload_hash bytea, answer text, day date, gross numeric,
    amount numeric, withholding_tax numeric, budget_line text, to_line text,
    party text, note text, reference bigint, accounts int[], debits numeric[], credits numeric[]
) RETURNS text LANGUAGE sql STABLE
RETURN ROW(key, account, payload_hash, answer, day, gross::numeric(24, 2), amount::numeric(24, 2),
    withholding_tax::numeric(24, 2), budget_line, to_line, party, note, reference, accounts,
    debits::numeric(24, 2)[], credits::numeric(24, 2)[])::text;

CREATE FUNCTION ledger.link(before bytea, content text) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(before || convert_to(content, 'UTF8'));

CREATE FUNCTION ledger.link_on(before bytea, head bytea, content text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$  -- an aggregate calls SQL functions at ten times the price
BEGIN
    RETURN ledger.link(coalesce(before, head), content);
END $$;

-- The link after `head` and the contents so far, in the order of the window.
CREATE AGGREGATE ledger.chain(bytea, text) (SFUNC = ledger.link_on, STYPE = bytea);

-- A new year has the budget lines of the old one, with nothing appropriated.
CREATE FUNCTION ledger.open_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.budget_line (unit, fiscal_year, budget_line, account, appropriated)
    SELECT unit, fiscal_year + 1, budget_line, account, 0 FROM ledger.budget_line
    WHERE unit = NEW.unit AND fiscal_year = ledger.fiscal_year(OLD.last_period);
    RETURN NULL;
END $$;

CREATE TRIGGER year_has_budget AFTER UPDATE OF last_period ON ledger.book
    FOR EACH ROW WHEN (NEW.last_period > OLD.last_period) EXECUTE FUNCTION ledger.open_budget();

-- Whether the books of the fiscal year that ends with `september` were closed for good.
CREATE FUNCTION ledger.is_year_closed(of_unit int, september int) RETURNS boolean LANGUAGE sql STABLE
RETURN september % 100 = 9 AND EXISTS (SELECT FROM ledger.counter WHERE unit = of_unit
    AND kind = 'year_close' AND fiscal_year = september / 100 + 543);

-- Whether closing lines would leave something on an account of revenue or expense (class 4 and 5).
CREATE FUNCTION ledger.is_income_left(
    of_unit int, of_period int, accounts int[], debits numeric[], credits numeric[]
) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM (
        SELECT account, debit, credit FROM ledger.balance
        WHERE unit = of_unit AND period <= of_period AND account >= 4000000
        UNION ALL
        SELECT * FROM unnest(accounts, debits, credits) AS l (account, debit, credit)
        WHERE l.account >= 4000000
    ) AS m GROUP BY account HAVING sum(debit) <> sum(credit)
);

-- What stands on the credit side of the account that a remittance of tax empties, its first line.
CREATE FUNCTION ledger.withheld(of_unit int, accounts int[]) RETURNS numeric LANGUAGE sql STABLE
RETURN (SELECT coalesce(sum(credit - debit), 0) FROM ledger.balance
    WHERE unit = of_unit AND account = accounts[1]);

-- Post a batch in one transaction and one round trip, each item with an outcome of its own.
--   units   units of the batch     batch   array of postings (rules.Posting as JSON)
-- Items of one batch must not depend on each other, so everything is set-based: people's postings
-- stand in it with one item per unit; of an import, whose documents have all that they need reserved,
-- many go together, in the order of `place`. First the units' books are locked; a book that somebody
-- else holds makes its item 'busy' (nothing done, ask again) and nobody waits, so no convoy forms and
-- no deadlock can. The second statement sees all that was committed before the lock.
CREATE FUNCTION ledger.post(units int[], batch json)
RETURNS TABLE (place int, outcome text, answer text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    held int[];
BEGIN
    held := ARRAY(
        SELECT unit FROM ledger.book WHERE unit = ANY (units)
        ORDER BY unit FOR NO KEY UPDATE SKIP LOCKED
    );
    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT i.*, r.answer, b.document_count, b.request_count, b.head, d.kind AS seen_kind, d.number AS seen_number,
            d.period AS seen_period,
            CASE
                WHEN i.unit <> ALL (held) THEN 'busy'
                WHEN r.payload_hash = i.payload_hash THEN 'replay'
                WHEN r.key IS NOT NULL THEN 'idempotency-key-reused'
                WHEN i.reopen_period IS NOT NULL THEN
                    CASE WHEN i.reopen_period <> b.closed_through OR i.reopen_period < b.first_period
                        OR ledger.is_year_closed(i.unit, i.reopen_period) THEN 'wrong-state'
                    ELSE 'ok' END
                WHEN i.open_year <> b.last_period / 100 + 544 OR i.open_year
                    > ledger.fiscal_year(ledger.next_period(b.closed_through)) + 1 THEN 'wrong-state'
                WHEN i.period <= b.closed_through THEN 'period-closed'
                WHEN i.period > b.last_period THEN 'period-closed'
                WHEN i.close_period <= b.closed_through THEN 'period-closed'
                WHEN i.close_period > b.last_period THEN 'not-found'
                WHEN i.close_period IS NOT NULL AND b.import IS NOT NULL THEN 'wrong-state'
                WHEN i.close_period > ledger.next_period(b.closed_through) THEN 'wrong-state'
                WHEN i.close_period % 100 = 10 AND i.close_period > b.first_period
                    AND NOT ledger.is_year_closed(i.unit, i.close_period - 1) THEN 'wrong-state'
                WHEN i.kind = 'year_close' AND EXISTS (
                    SELECT FROM ledger.workflow AS o JOIN ledger.document AS q
                        ON q.unit = o.unit AND q.document = o.document
                    WHERE o.unit = i.unit AND o.is_open AND q.fiscal_year <= i.fiscal_year
                        AND q.kind = 'disbursement_request') THEN 'requests-wait'
                WHEN i.kind = 'year_close' AND ledger.is_payment_refused(i.unit) THEN 'payments-refused'
                WHEN i.kind = 'year_close' AND ledger.is_income_left(i.unit, i.period, i.accounts,
                    i.debits, i.credits) THEN 'books-moved'
                WHEN i.reference IS NOT NULL AND (d.document IS NULL OR d.kind <> i.reference_kind
                    OR i.workflow_of IS NOT NULL AND w.document IS NULL) THEN 'not-found'
                WHEN i.kind = 'reversal' AND EXISTS (SELECT FROM ledger.document AS v
                    WHERE v.unit = i.unit AND v.reference = i.reference AND v.kind = 'reversal')
                    THEN 'wrong-state'
                WHEN w.status <> i.from_status THEN 'wrong-state'
                WHEN i.is_other_person AND (i.account IN (w.people[1], d.prepared_by)
                    OR EXISTS (SELECT FROM ledger.document AS q WHERE q.unit = i.unit
                        AND q.document = d.reference AND q.prepared_by = i.account)) THEN 'same-person'
                WHEN i.kind IN ('payment', 'tax_remittance_payment') AND cardinality(w.people) > 1
                    + 2 * (i.kind = 'payment')::int AND ledger.is_money_out(i.unit, i.reference) THEN 'paid-by-bank'
                WHEN i.taken > w.open_amount AND i.kind = 'reversal' THEN 'wrong-state'
                WHEN i.taken > w.open_amount THEN 'exceeds-open-amount'
                WHEN i.date < d.date THEN 'before-its-document'
                WHEN i.kind = 'tax_remittance_payment'
                    AND i.amount > ledger.withheld(i.unit, i.accounts) THEN 'exceeds-withheld'
                WHEN i.budget_line IS NOT NULL AND l.budget_line IS NULL THEN 'no-such-budget-line'
                WHEN i.to_line IS NOT NULL AND t.budget_line IS NULL THEN 'no-such-budget-line'
                WHEN l.appropriated + l.transferred - l.committed - l.paid
                    < i.committed + i.paid - i.transferred - i.appropriated THEN 'budget-exceeded'
                ELSE 'ok'
            END AS outcome
        FROM json_to_recordset(batch) AS i (
            place int, unit int, key uuid, payload_hash bytea, account bigint, kind text,
            fiscal_year smallint, period int, date date, gross numeric, amount numeric,
            withholding_tax numeric, budget_line text, to_line text, appropriated numeric,
            committed numeric, paid numeric, transferred numeric, party text, note text, status text,
            is_open boolean, reference bigint, reference_kind text, workflow_of bigint,
            from_status text, to_status text, is_other_person boolean, taken numeric,
            accounts int[], debits numeric[], credits numeric[], close_period int,
            reopen_period int, open_year int
        )
        JOIN ledger.book AS b ON b.unit = i.unit
        LEFT JOIN ledger.request AS r ON r.unit = i.unit AND r.key = i.key
        LEFT JOIN ledger.workflow AS w ON w.unit = i.unit AND w.document = i.workflow_of
        LEFT JOIN ledger.document AS d ON d.unit = i.unit AND d.document = i.reference
        LEFT JOIN ledger.budget_line AS l ON l.unit = i.unit
            AND l.fiscal_year = i.fiscal_year AND l.budget_line = i.budget_line
        LEFT JOIN ledger.budget_line AS t ON t.unit = i.unit
            AND t.fiscal_year = i.fiscal_year AND t.budget_line = i.to_line
    ),
    counted AS (
        INSERT INTO ledger.counter AS c (unit, kind, fiscal_year, last_number)
        SELECT unit, kind, fiscal_year, count(*) FROM judged
        WHERE outcome = 'ok' AND kind IS NOT NULL GROUP BY unit, kind, fiscal_year
        ON CONFLICT (unit, kind, fiscal_year)
        DO UPDATE SET last_number = c.last_number + excluded.last_number
        RETURNING unit, kind, fiscal_year, last_number
    ),
    numbered AS (
        SELECT j.*, j.unit::bigint * 10000000 + j.document_count + count(j.kind) OVER unit_order AS document,
            c.last_number + 1 - row_number() OVER (
                PARTITION BY j.unit, j.kind, j.fiscal_year ORDER BY j.place DESC) AS number,
            j.request_count + row_number() OVER unit_order AS position
        FROM judged AS j LEFT JOIN counted AS c
            ON c.unit = j.unit AND c.kind = j.kind AND c.fiscal_year = j.fiscal_year
        WHERE j.outcome = 'ok'
        WINDOW unit_order AS (PARTITION BY j.unit ORDER BY j.place)
    ),
    answered AS (
        SELECT n.*, CASE
                WHEN open_year IS NOT NULL
                    THEN format('{"fiscal_year":%s,"status":"open"}', open_year)
                WHEN kind IS NULL AND close_period IS NOT NULL
                    THEN format('{"period":"%s","status":"closed"}', ledger.period_text(close_period))
                WHEN kind IS NULL THEN ledger.answer_text(
                    reference, seen_number, seen_kind, seen_period, to_status)
                ELSE ledger.answer_text(document, number::int, kind, period, status)
            END AS new_answer
        FROM numbered AS n
    ),
    accepted AS MATERIALIZED (
        SELECT a.*, ledger.chain(head, ledger.trail_text(key, account, payload_hash, new_answer, date,
            gross, amount, withholding_tax, budget_line, to_line, party, note,
            CASE WHEN kind IS NOT NULL THEN reference END, accounts, debits, credits))
            OVER (PARTITION BY unit ORDER BY place) AS link
        FROM answered AS a
    ),
    write_document AS (
        INSERT INTO ledger.document (unit, document, kind, fiscal_year, number, period, date, key,
            prepared_by, gross, amount, withholding_tax, budget_line, to_line, party, note,
            reference, status)
        SELECT unit, document, kind, fiscal_year, number, period, date, key, account, gross, amount,
            withholding_tax, budget_line, to_line, party, note, reference, status
        FROM accepted WHERE kind IS NOT NULL
    ),
    write_line AS (
        INSERT INTO ledger.line (unit, document, position, period, account, debit, credit)
        SELECT a.unit, a.document, l.position, a.period, l.account, l.debit, l.credit
        FROM accepted AS a CROSS JOIN LATERAL unnest(a.accounts, a.debits, a.credits)
            WITH ORDINALITY AS l (account, debit, credit, position)
    ),
    write_book AS (
        UPDATE ledger.book AS b
        SET document_count = b.document_count + a.documents, request_count = a.position, head = a.link,
            closed_through = coalesce(a.close_period, ledger.previous_period(a.reopen_period),
                b.closed_through),
            last_period = b.last_period + 100 * (a.open_year IS NOT NULL)::int
        FROM (
            SELECT DISTINCT ON (unit) unit, position, link, close_period, reopen_period, open_year,
                count(kind) OVER (PARTITION BY unit) AS documents
            FROM accepted ORDER BY unit, place DESC
        ) AS a
        WHERE b.unit = a.unit
    ),
    write_budget AS (
        UPDATE ledger.budget_line AS l
        SET appropriated = l.appropriated + e.appropriated, committed = l.committed + e.committed,
            paid = l.paid + e.paid, transferred = l.transferred + e.transferred
        FROM (
            SELECT unit, fiscal_year, budget_line, sum(appropriated) AS appropriated,
                sum(committed) AS committed, sum(paid) AS paid, sum(transferred) AS transferred
            FROM (
                SELECT unit, fiscal_year, budget_line, appropriated, committed, paid, transferred
                FROM accepted WHERE budget_line IS NOT NULL
                UNION ALL
                SELECT unit, fiscal_year, to_line, 0, 0, 0, amount
                FROM accepted WHERE to_line IS NOT NULL
            ) AS one GROUP BY unit, fiscal_year, budget_line
        ) AS e
        WHERE l.unit = e.unit AND l.fiscal_year = e.fiscal_year AND l.budget_line = e.budget_line
    ),
    start_workflow AS (
        INSERT INTO ledger.workflow (unit, document, status, is_open, open_amount, people)
        SELECT unit, document, status, true, amount, ARRAY[account] FROM accepted WHERE is_open
    ),
    step_workflow AS (
        UPDATE ledger.workflow AS w
        SET open_amount = w.open_amount - a.taken, people = w.people || a.account,
            status = CASE WHEN a.taken = w.open_amount OR a.taken <= 0 THEN a.to_status
                ELSE w.status END,
            is_open = w.open_amount > a.taken
        FROM accepted AS a
        WHERE w.unit = a.unit AND w.document = a.workflow_of
    ),
    write_request AS (
        INSERT INTO ledger.request (unit, key, payload_hash, account, position, link, answer)
        SELECT unit, key, payload_hash, account, position, link, new_answer FROM accepted
    )
    SELECT j.place, j.outcome, coalesce(a.new_answer, j.answer)
    FROM judged AS j LEFT JOIN accepted AS a ON a.place = j.place;
END $$;
