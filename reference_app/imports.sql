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
    need numeric(18, 2) NOT NULL,
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

-- Accept the checked documents of a file as one, or return why not, a row per problem. The lock on
-- the book makes the judgement true: nobody posts or closes in between.
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
        SELECT s.*, sum(s.need) OVER (PARTITION BY s.budget_line ORDER BY s.place) AS needed
        FROM ledger.import_document AS s WHERE s.unit = of_unit AND s.import = of_import
    ), line AS (
        SELECT l.budget_line, l.appropriated + l.transferred - l.committed - l.paid AS remaining
        FROM ledger.budget_line AS l
        WHERE l.unit = of_unit AND l.fiscal_year = book.last_period / 100 + 543
    )
    SELECT s.sheet, s.row, p.column_name, p.value, p.code
    FROM staged AS s
    LEFT JOIN ledger.reference AS r ON r.unit = of_unit AND r.reference = s.reference
    LEFT JOIN line AS l ON l.budget_line = s.budget_line
    LEFT JOIN line AS t ON t.budget_line = s.to_line
    CROSS JOIN LATERAL (VALUES
        ('date', ledger.period_text(s.period), 'period-closed',
            s.period <= book.closed_through OR s.period > book.last_period),
        ('reference', s.reference, 'already-in-books', r.reference IS NOT NULL),
        ('budget_line', s.budget_line, 'no-budget-line',
            s.budget_line IS NOT NULL AND l.budget_line IS NULL),
        ('to_line', s.to_line, 'no-budget-line', s.to_line IS NOT NULL AND t.budget_line IS NULL),
        ('amount', s.budget_line, 'budget-exceeded', s.needed > l.remaining)
    ) AS p (column_name, value, code, is_wrong)
    WHERE p.is_wrong ORDER BY s.place;
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE ledger.budget_line AS l SET committed = l.committed + n.need
    FROM (
        SELECT budget_line, sum(need) AS need FROM ledger.import_document
        WHERE unit = of_unit AND import = of_import AND budget_line IS NOT NULL GROUP BY budget_line
    ) AS n
    WHERE l.unit = of_unit AND l.fiscal_year = book.last_period / 100 + 543
        AND l.budget_line = n.budget_line;
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
    item record;
    result text;
    done int;
    whole int;
BEGIN
    PERFORM FROM ledger.book WHERE unit = of_unit FOR NO KEY UPDATE;
    SELECT posted_count, document_count INTO done, whole FROM ledger.import
    WHERE unit = of_unit AND import = of_import AND state = 'posting' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    FOR item IN
        SELECT place, posting FROM ledger.import_document
        WHERE unit = of_unit AND import = of_import AND place > done ORDER BY place LIMIT size
    LOOP
        done := item.place;
        SELECT outcome INTO result
        FROM ledger.post(ARRAY[of_unit], json_build_array(item.posting));
        IF result IS DISTINCT FROM 'ok' THEN
            RAISE EXCEPTION 'document % of import % was answered %', done, of_import, result;
        END IF;
    END LOOP;
    DELETE FROM ledger.import_document
    WHERE unit = of_unit AND import = of_import AND place <= done;
    UPDATE ledger.import
    SET posted_count = done, state = CASE WHEN done = whole THEN 'done' ELSE state END,
        content = CASE WHEN done < whole THEN content END
    WHERE unit = of_unit AND import = of_import;
    IF done = whole THEN
        UPDATE ledger.book SET import = NULL WHERE unit = of_unit;
    END IF;
    RETURN whole - done;
END $$;
