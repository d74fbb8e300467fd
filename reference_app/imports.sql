-- Files of back-dated books. A file is taken or refused as a whole: once it is accepted, everything
-- that its documents need is reserved in one transaction (references, budget, open months), so that
-- no later posting of it can be refused, and it is posted to the end by whichever worker lives. The
-- postings go through ledger.post, a chunk a transaction, because a whole city's file in one would
-- hold the city's books for seconds. Filled after schema.sql.

-- `import` is the Idempotency-Key of the upload; `content` is kept until the file is done or refused.
CREATE TABLE ledger.import (
    unit int NOT NULL,
    import uuid NOT NULL,
    content_hash bytea NOT NULL,
    file_name text NOT NULL,
    account bigint NOT NULL,
    content bytea,
    state text NOT NULL DEFAULT 'received'
    CHECK (state IN ('received', 'checking', 'refused', 'posting', 'done')),
    row_count int NOT NULL DEFAULT 0,
    document_count int NOT NULL DEFAULT 0,
    posted_count int NOT NULL DEFAULT 0,
    problem_count int NOT NULL DEFAULT 0,
    problems json NOT NULL DEFAULT '[]',
    received_at timestamptz NOT NULL DEFAULT now(),
    turn_at timestamptz NOT NULL DEFAULT now(),
    taken_until timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (unit, import)
);
-- The same file again is the same import, unless it was refused: then its reason may be gone.
CREATE UNIQUE INDEX import_same_file ON ledger.import (unit, content_hash) WHERE state <> 'refused';
CREATE UNIQUE INDEX import_one_per_unit ON ledger.import (unit)
WHERE state IN ('received', 'checking', 'posting');
CREATE INDEX import_waiting ON ledger.import (turn_at)
WHERE state IN ('received', 'checking', 'posting');

-- Checked documents that wait to be posted, in the order of the file.
CREATE TABLE ledger.import_document (
    unit int NOT NULL,
    import uuid NOT NULL,
    place int NOT NULL,
    sheet text NOT NULL,
    row int NOT NULL,
    reference text NOT NULL,
    key uuid NOT NULL,
    period int NOT NULL,
    budget_line text,
    to_line text,
    need numeric(24, 2) NOT NULL,
    posting json NOT NULL,
    PRIMARY KEY (unit, import, place)
);

-- The office's own numbers of what was imported, for ever: nothing is imported twice.
CREATE TABLE ledger.reference (
    unit int NOT NULL,
    reference text NOT NULL,
    import uuid NOT NULL,
    key uuid NOT NULL,
    PRIMARY KEY (unit, reference)
);

-- What the documents of a file that are not posted yet take of each budget line and give to it: an
-- ordinance gives to its line, a transfer takes of one and gives to the other.
CREATE FUNCTION ledger.import_budget(of_unit int, of_import uuid)
RETURNS TABLE (fiscal_year int, budget_line text, needed numeric, given numeric) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ledger.fiscal_year(s.period), e.budget_line, sum(e.needed), sum(e.given)
    FROM ledger.import_document AS s CROSS JOIN LATERAL (VALUES
        (s.budget_line, greatest(s.need, 0), greatest(-s.need, 0)), (s.to_line, 0, s.need)
    ) AS e (budget_line, needed, given)
    WHERE s.unit = of_unit AND s.import = of_import AND e.budget_line IS NOT NULL
    GROUP BY ledger.fiscal_year(s.period), e.budget_line;
END;

-- Accept the checked documents of a file as one, or return why not, a row per problem. The lock on
-- the book makes the judgement true: nobody posts or closes in between. What a file gives to a budget
-- line is there for all of the file, wherever it stands in it.
CREATE FUNCTION ledger.accept_import(of_unit int, of_import uuid)
RETURNS TABLE (sheet text, row_number int, column_name text, value text, code text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    book ledger.book;
BEGIN
    SELECT * INTO STRICT book FROM ledger.book WHERE unit = of_unit FOR NO KEY UPDATE;
    RETURN QUERY
    WITH staged AS (
        SELECT s.*, ledger.fiscal_year(s.period) AS fiscal_year, sum(greatest(s.need, 0)) OVER (
            PARTITION BY s.budget_line, ledger.fiscal_year(s.period) ORDER BY s.place) AS needed
        FROM ledger.import_document AS s WHERE s.unit = of_unit AND s.import = of_import
    ), line AS (
        SELECT l.fiscal_year, l.budget_line,
            l.appropriated + l.transferred - l.committed - l.paid + coalesce(b.given, 0) AS remaining
        FROM ledger.budget_line AS l
        LEFT JOIN ledger.import_budget(of_unit, of_import) AS b USING (fiscal_year, budget_line)
        WHERE l.unit = of_unit
    )
    SELECT s.sheet, s.row, p.column_name, p.value, p.code
    FROM staged AS s
    LEFT JOIN ledger.reference AS r ON r.unit = of_unit AND r.reference = s.reference
    LEFT JOIN line AS l ON l.budget_line = s.budget_line AND l.fiscal_year = s.fiscal_year
    LEFT JOIN line AS t ON t.budget_line = s.to_line AND t.fiscal_year = s.fiscal_year
    CROSS JOIN LATERAL (VALUES
        ('date', ledger.period_text(s.period), 'period-closed',
            s.period <= book.closed_through OR s.period > book.last_period),
        ('reference', s.reference, 'already-in-books', r.reference IS NOT NULL),
        ('budget_line', s.budget_line, 'no-budget-line',
            s.budget_line IS NOT NULL AND l.budget_line IS NULL),
        ('to_line', s.to_line, 'no-budget-line', s.to_line IS NOT NULL AND t.budget_line IS NULL),
        ('amount', s.budget_line, 'budget-exceeded', s.need > 0 AND s.needed > l.remaining)
    ) AS p (column_name, value, code, is_wrong)
    WHERE p.is_wrong ORDER BY s.place;
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE ledger.budget_line AS l
    SET committed = l.committed + n.needed, appropriated = l.appropriated + n.given
    FROM ledger.import_budget(of_unit, of_import) AS n
    WHERE l.unit = of_unit AND l.fiscal_year = n.fiscal_year AND l.budget_line = n.budget_line;
    INSERT INTO ledger.reference (unit, reference, import, key)
    SELECT unit, reference, import, key FROM ledger.import_document
    WHERE unit = of_unit AND import = of_import ORDER BY reference;
    UPDATE ledger.book SET import = of_import WHERE unit = of_unit;
END $$;

-- Post the next documents of an accepted file, at most `size`, and return how many are left. All
-- or none of them; anything but 'ok' is a mistake in this program and stops the file, not the others.
CREATE FUNCTION ledger.post_import(of_unit int, of_import uuid, size int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    batch json;
    refused text;
    first int;
    done int;
    whole int;
BEGIN
    PERFORM FROM ledger.book WHERE unit = of_unit FOR NO KEY UPDATE;
    SELECT posted_count + 1, least(posted_count + size, document_count), document_count
    INTO first, done, whole
    FROM ledger.import
    WHERE unit = of_unit AND import = of_import AND state = 'posting' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT json_agg(posting ORDER BY place) INTO batch FROM ledger.import_document
    WHERE unit = of_unit AND import = of_import AND place BETWEEN first AND done;
    SELECT format('document %s was answered %s', place, outcome) INTO refused
    FROM ledger.post(ARRAY[of_unit], batch) WHERE outcome <> 'ok';
    IF FOUND THEN
        RAISE EXCEPTION 'import %: %', of_import, refused;
    END IF;
    -- What a transfer gives was there from the start, as appropriated; it is transferred only now.
    UPDATE ledger.budget_line AS l SET appropriated = l.appropriated - n.given
    FROM (
        SELECT ledger.fiscal_year(period) AS fiscal_year, to_line, sum(need) AS given
        FROM ledger.import_document
        WHERE unit = of_unit AND import = of_import AND place BETWEEN first AND done AND to_line IS NOT NULL
        GROUP BY ledger.fiscal_year(period), to_line
    ) AS n
    WHERE l.unit = of_unit AND l.fiscal_year = n.fiscal_year AND l.budget_line = n.to_line;
    DELETE FROM ledger.import_document
    WHERE unit = of_unit AND import = of_import AND place BETWEEN first AND done;
    UPDATE ledger.import
    SET posted_count = done, state = CASE WHEN done = whole THEN 'done' ELSE state END,
        content = CASE WHEN done < whole THEN content END
    WHERE unit = of_unit AND import = of_import;
    IF done = whole THEN
        UPDATE ledger.book SET import = NULL WHERE unit = of_unit;
    END IF;
    RETURN whole - done;
END $$;
