-- Every statement that the running ledger sends, one purpose each. The name stands in front of the
-- statement as a comment, so that the database's own views name the place in the program. Reads
-- answer with the finished JSON text: nothing is decoded and encoded again on the way.

-- name: post
-- Post a batch: one round trip, one transaction (schema.sql).
SELECT place, outcome, answer FROM ledger.post($1, $2)

-- name: overview
-- What a person sees first: the unit, its cash, its budget, what waits, which period is open.
SELECT json_build_object(
    'unit', u.unit, 'parent', u.parent, 'type', u.type, 'province', u.province,
    'name_th', u.name_th, 'name_en', u.name_en,
    'open_from', ledger.period_text(ledger.next_period(b.closed_through)),
    'document_count', b.document_count,
    'cash', (
        SELECT coalesce(json_agg(json_build_object('account', c.account::text, 'balance', c.balance::text)), '[]')
        FROM (
            SELECT account, sum(debit - credit) AS balance FROM ledger.balance
            WHERE unit = $1 AND account = ANY ($2) GROUP BY account ORDER BY account
        ) AS c
    ),
    'budget', (
        SELECT json_build_object('appropriated', coalesce(sum(appropriated), 0)::numeric(24, 2)::text,
            'committed', coalesce(sum(committed), 0)::numeric(24, 2)::text,
            'paid', coalesce(sum(paid), 0)::numeric(24, 2)::text)
        FROM ledger.budget_line WHERE unit = $1
            AND fiscal_year = ledger.fiscal_year(ledger.next_period(b.closed_through))
    ),
    'waiting', (SELECT count(*) FROM ledger.workflow WHERE unit = $1 AND is_open)
)::text
FROM ledger.unit AS u JOIN ledger.book AS b ON b.unit = u.unit WHERE u.unit = $1

-- name: periods
-- The periods of the unit's books and whether they are open.
SELECT json_build_object('unit', b.unit, 'periods', (
    SELECT json_agg(json_build_object('period', to_char(m, 'YYYY-MM'), 'status',
        CASE WHEN to_char(m, 'YYYYMM')::int <= b.closed_through THEN 'closed' ELSE 'open' END) ORDER BY m)
    FROM generate_series(to_date(b.first_period::text, 'YYYYMM'),
        to_date(b.last_period::text, 'YYYYMM'), interval '1 month') AS m
))::text
FROM ledger.book AS b WHERE b.unit = $1

-- name: worklist
-- Documents that wait for somebody, at most 50: what wants a step now before advances that are out and
-- deposits that are held, which may stay for years; the oldest first.
SELECT json_build_object('unit', $1::int, 'items', coalesce(json_agg(json_build_object(
    'document', w.document, 'kind', d.kind, 'number', d.number, 'date', d.date, 'status', w.status,
    'party', d.party, 'amount', d.amount::text, 'open_amount', w.open_amount::text)
    ORDER BY w.is_at_rest, w.document), '[]'))::text
FROM (
    SELECT document, status, open_amount, status IN ('outstanding', 'held') AS is_at_rest FROM ledger.workflow
    WHERE unit = $1 AND is_open ORDER BY is_at_rest, document LIMIT 50
) AS w JOIN ledger.document AS d ON d.unit = $1 AND d.document = w.document

-- name: budget
-- The budget lines of a fiscal year (none asked: the year of the first open period) with what is left of each.
SELECT json_build_object('unit', $1::int, 'fiscal_year', max(fiscal_year), 'lines', coalesce(json_agg(json_build_object(
    'budget_line', budget_line, 'account', account::text, 'appropriated', appropriated::text,
    'transferred', transferred::text, 'committed', committed::text, 'paid', paid::text,
    'remaining', (appropriated + transferred - committed - paid)::text) ORDER BY budget_line), '[]'))::text
FROM ledger.budget_line WHERE unit = $1 AND fiscal_year = coalesce(
    $2::smallint, (SELECT ledger.fiscal_year(ledger.next_period(closed_through)) FROM ledger.book WHERE unit = $1))

-- name: payees
-- Names among the unit's last 500 documents that contain the words asked for.
SELECT json_build_object('unit', $1::int, 'payees', coalesce(json_agg(party ORDER BY party), '[]'))::text
FROM (
    SELECT DISTINCT party
    FROM (SELECT party FROM ledger.document WHERE unit = $1 ORDER BY document DESC LIMIT 500) AS recent
    WHERE party IS NOT NULL AND strpos(lower(party), lower($2)) > 0 LIMIT 20
) AS found

-- name: documents
-- A page of documents in the order of their posting, by key, never by offset.
SELECT json_build_object('unit', $1::int, 'documents', coalesce(json_agg(json_build_object(
    'document', p.document, 'kind', p.kind, 'number', p.number, 'fiscal_year', p.fiscal_year,
    'period', ledger.period_text(p.period), 'date', p.date, 'gross', p.gross::text, 'amount', p.amount::text,
    'party', p.party, 'status', coalesce(w.status, v.status, p.status)) ORDER BY p.document), '[]'),
    'after', max(p.document))::text
FROM (
    SELECT * FROM ledger.document
    WHERE unit = $1 AND document > $2 AND ($3::text IS NULL OR kind = $3) ORDER BY document LIMIT $4
) AS p LEFT JOIN ledger.workflow AS w ON w.unit = $1 AND w.document = p.document
LEFT JOIN LATERAL (SELECT 'reversed' AS status FROM ledger.document
    WHERE unit = $1 AND reference = p.document AND kind = 'reversal') AS v ON true

-- name: document
-- One document with its lines.
SELECT json_build_object(
    'document', d.document, 'kind', d.kind, 'number', d.number, 'fiscal_year', d.fiscal_year,
    'period', ledger.period_text(d.period), 'date', d.date, 'key', d.key, 'gross', d.gross::text,
    'amount', d.amount::text, 'withholding_tax', d.withholding_tax::text, 'budget_line', d.budget_line,
    'to_line', d.to_line, 'party', d.party, 'note', d.note, 'reference', d.reference,
    'reversed_by', (SELECT document FROM ledger.document
        WHERE unit = $1 AND reference = $2 AND kind = 'reversal'),
    'status', coalesce(w.status, (SELECT 'reversed' FROM ledger.document
        WHERE unit = $1 AND reference = $2 AND kind = 'reversal'), d.status), 'people', coalesce(w.people, ARRAY[d.prepared_by]),
    'lines', (
        SELECT coalesce(json_agg(json_build_object('account', account::text, 'debit', debit::text,
            'credit', credit::text) ORDER BY position), '[]')
        FROM ledger.line WHERE unit = $1 AND document = $2
    )
)::text
FROM ledger.document AS d LEFT JOIN ledger.workflow AS w ON w.unit = $1 AND w.document = $2
WHERE d.unit = $1 AND d.document = $2

-- name: answer_by_key
-- What was answered to a write: the same words as then.
SELECT answer FROM ledger.request WHERE unit = $1 AND key = $2

-- name: request_to_pay
-- What the document of a step needs of its request: all of it immutable, so reading first is safe.
SELECT d.amount::text AS amount, d.withholding_tax::text AS withholding_tax, d.budget_line, d.party,
    l.account AS expense, d.fiscal_year
FROM ledger.document AS d
LEFT JOIN ledger.budget_line AS l ON l.unit = d.unit
    AND l.fiscal_year = d.fiscal_year AND l.budget_line = d.budget_line
WHERE d.unit = $1 AND d.document = $2 AND d.kind = $3

-- name: document_to_reverse
-- What a reversal takes back: all of it immutable, so reading first is safe.
SELECT d.kind, d.prepared_by, d.fiscal_year, d.gross::text AS gross, d.amount::text AS amount,
    d.withholding_tax::text AS withholding_tax, d.budget_line, d.to_line, d.party, d.reference,
    coalesce(array_agg(l.account ORDER BY l.position) FILTER (WHERE l.account IS NOT NULL), '{}') AS accounts,
    coalesce(array_agg(l.debit::text ORDER BY l.position) FILTER (WHERE l.account IS NOT NULL), '{}') AS debits,
    coalesce(array_agg(l.credit::text ORDER BY l.position) FILTER (WHERE l.account IS NOT NULL), '{}') AS credits
FROM ledger.document AS d LEFT JOIN ledger.line AS l ON l.unit = $1 AND l.document = $2
WHERE d.unit = $1 AND d.document = $2 GROUP BY d.unit, d.document

-- name: balances
-- What stands on the accounts of a unit through a period, debit positive.
SELECT account, sum(debit - credit) AS balance FROM ledger.balance
WHERE unit = $1 AND period <= $2 GROUP BY account HAVING sum(debit) <> sum(credit) ORDER BY account

-- name: consolidated_trial_balance
-- Trial balance of a unit together with the units below it, and what each of them adds.
WITH member AS (
    SELECT unit FROM ledger.unit WHERE unit = $1 OR parent = $1
), moved AS (
    SELECT b.unit, b.account,
        coalesce(sum(b.debit - b.credit) FILTER (WHERE b.period < $2), 0)::numeric(24, 2) AS opening,
        coalesce(sum(b.debit) FILTER (WHERE b.period = $2), 0)::numeric(24, 2) AS debit,
        coalesce(sum(b.credit) FILTER (WHERE b.period = $2), 0)::numeric(24, 2) AS credit
    FROM member AS m JOIN ledger.balance AS b ON b.unit = m.unit
    WHERE b.period <= $2 GROUP BY b.unit, b.account
)
SELECT json_build_object('unit', $1::int, 'period', ledger.period_text($2),
    'accounts', (SELECT coalesce(json_agg(json_build_object(
        'account', a.account::text, 'opening', a.opening::text, 'debit', a.debit::text,
        'credit', a.credit::text, 'closing', (a.opening + a.debit - a.credit)::text) ORDER BY a.account), '[]')
        FROM (SELECT account, sum(opening) AS opening, sum(debit) AS debit, sum(credit) AS credit
            FROM moved GROUP BY account) AS a),
    'units', (SELECT coalesce(json_agg(json_build_object('unit', u.unit, 'debit', u.debit::text,
        'credit', u.credit::text, 'is_closed', u.is_closed) ORDER BY u.unit), '[]')
        FROM (SELECT m.unit, coalesce(sum(v.debit), 0)::numeric(24, 2) AS debit,
            coalesce(sum(v.credit), 0)::numeric(24, 2) AS credit,
            bool_and(b.closed_through >= $2) AS is_closed
            FROM member AS m JOIN ledger.book AS b ON b.unit = m.unit
            LEFT JOIN moved AS v ON v.unit = m.unit GROUP BY m.unit) AS u))::text

-- name: daily_cash
-- Daily cash position: opening, receipts, payments and closing of every cash account on a day.
SELECT json_build_object('unit', $1::int, 'date', $2::date, 'accounts', json_agg(json_build_object(
    'account', a.account::text, 'opening', a.opening::text, 'receipts', a.receipts::text,
    'payments', a.payments::text, 'closing', (a.opening + a.receipts - a.payments)::text) ORDER BY a.account))::text
FROM (
    SELECT c.account,
        (coalesce((SELECT sum(debit - credit) FROM ledger.balance
            WHERE unit = $1 AND account = c.account AND period < $3), 0)
            + coalesce(sum(m.debit - m.credit) FILTER (WHERE m.date < $2), 0))::numeric(24, 2) AS opening,
        coalesce(sum(m.debit) FILTER (WHERE m.date = $2), 0)::numeric(24, 2) AS receipts,
        coalesce(sum(m.credit) FILTER (WHERE m.date = $2), 0)::numeric(24, 2) AS payments
    FROM unnest($4::int[]) AS c (account)
    LEFT JOIN (
        SELECT l.account, l.debit, l.credit, d.date
        FROM ledger.document AS d JOIN ledger.line AS l ON l.unit = $1 AND l.document = d.document
        WHERE d.unit = $1 AND d.date BETWEEN date_trunc('month', $2::date)::date AND $2 AND l.account = ANY ($4)
    ) AS m ON m.account = c.account
    GROUP BY c.account
) AS a

-- name: trial_balance
-- Trial balance of a period from the running balances; signed, debit positive.
SELECT json_build_object('unit', $1::int, 'period', ledger.period_text($2), 'accounts', coalesce(json_agg(json_build_object(
    'account', b.account::text, 'opening', b.opening::text, 'debit', b.debit::text, 'credit', b.credit::text,
    'closing', (b.opening + b.debit - b.credit)::text) ORDER BY b.account), '[]'),
    'debit', coalesce(sum(b.debit), 0)::numeric(24, 2)::text, 'credit', coalesce(sum(b.credit), 0)::numeric(24, 2)::text)::text
FROM (
    SELECT account,
        coalesce(sum(debit - credit) FILTER (WHERE period < $2), 0)::numeric(24, 2) AS opening,
        coalesce(sum(debit) FILTER (WHERE period = $2), 0)::numeric(24, 2) AS debit,
        coalesce(sum(credit) FILTER (WHERE period = $2), 0)::numeric(24, 2) AS credit
    FROM ledger.balance WHERE unit = $1 AND period <= $2 GROUP BY account
) AS b

-- name: receipts_payments
-- Receipts and payments of a period by the account on the other side of the cash accounts; a document
-- that moves money only between these is neither.
WITH cash AS (
    SELECT coalesce(sum(debit - credit) FILTER (WHERE period < $2), 0)::numeric(24, 2) AS opening,
        coalesce(sum(debit - credit), 0)::numeric(24, 2) AS closing
    FROM ledger.balance WHERE unit = $1 AND period <= $2 AND account = ANY ($5)
), other AS (
    SELECT l.account, sum(l.credit) AS receipts, sum(l.debit) AS payments
    FROM ledger.document AS d JOIN ledger.line AS l ON l.unit = $1 AND l.document = d.document
    WHERE d.unit = $1 AND d.date BETWEEN $3 AND $4 AND l.account <> ALL ($5)
        AND (SELECT sum(c.debit - c.credit) FROM ledger.line AS c
            WHERE c.unit = $1 AND c.document = d.document AND c.account = ANY ($5)) <> 0
    GROUP BY l.account
)
SELECT json_build_object('unit', $1::int, 'period', ledger.period_text($2),
    'opening', cash.opening::text, 'closing', cash.closing::text,
    'receipts', (SELECT coalesce(json_agg(json_build_object('account', account::text, 'amount', receipts::text)
        ORDER BY account), '[]') FROM other WHERE receipts > 0),
    'payments', (SELECT coalesce(json_agg(json_build_object('account', account::text, 'amount', payments::text)
        ORDER BY account), '[]') FROM other WHERE payments > 0))::text
FROM cash

-- name: budget_execution
-- Budget-execution worksheet: each line as it stands now, and what was paid in the period less what was
-- taken back in it.
SELECT json_build_object('unit', $1::int, 'period', ledger.period_text($3), 'lines', coalesce(json_agg(json_build_object(
    'budget_line', b.budget_line, 'appropriated', b.appropriated::text, 'transferred', b.transferred::text,
    'committed', b.committed::text, 'paid', b.paid::text,
    'paid_in_period', coalesce(p.amount, 0)::numeric(24, 2)::text,
    'remaining', (b.appropriated + b.transferred - b.committed - b.paid)::text) ORDER BY b.budget_line), '[]'))::text
FROM ledger.budget_line AS b
LEFT JOIN (
    SELECT d.budget_line, sum(CASE d.kind WHEN 'reversal' THEN -d.amount ELSE d.amount END) AS amount
    FROM ledger.document AS d LEFT JOIN ledger.document AS o
        ON d.kind = 'reversal' AND o.unit = $1 AND o.document = d.reference
    WHERE d.unit = $1 AND d.date BETWEEN $4 AND $5
        AND coalesce(o.kind, d.kind) IN ('payment', 'back_dated_payment') GROUP BY d.budget_line
) AS p ON p.budget_line = b.budget_line
WHERE b.unit = $1 AND b.fiscal_year = $2

-- name: closing_status
-- Which units of a province have closed a period; for the provincial office.
SELECT json_build_object('province', $1::smallint, 'period', ledger.period_text($2),
    'as_of', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'closed', count(*) FILTER (WHERE b.closed_through >= $2), 'open', count(*) FILTER (WHERE b.closed_through < $2),
    'units', coalesce(json_agg(json_build_object('unit', b.unit, 'status',
        CASE WHEN b.closed_through >= $2 THEN 'closed' ELSE 'open' END) ORDER BY b.unit), '[]'))::text
FROM ledger.unit AS u JOIN ledger.book AS b ON b.unit = u.unit WHERE u.province = $1

-- name: national_closing
-- How many units of every province have closed a period; counted in the background (closing.py).
SELECT json_build_object('period', ledger.period_text($1),
    'closed', coalesce(sum(closed), 0), 'open', coalesce(sum(units - closed), 0),
    'provinces', coalesce(json_agg(json_build_object('province', province, 'closed', closed,
        'open', units - closed) ORDER BY province), '[]'),
    'as_of', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text
FROM (
    SELECT u.province, count(*) AS units, count(*) FILTER (WHERE b.closed_through >= $1) AS closed
    FROM ledger.book AS b JOIN ledger.unit AS u ON u.unit = b.unit GROUP BY u.province
) AS p

-- name: person
-- The account of a citizen number (as keyed hash).
SELECT account, unit, roles FROM ledger.account WHERE pid_hash = $1

-- name: units
-- The register of units that every worker keeps in memory.
SELECT unit, parent, province FROM ledger.unit ORDER BY unit

-- name: database_settings
-- What the database promises about durability, for the fingerprint.
SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('full_page_writes') AS full_page_writes

-- name: ready
-- Cheapest sign of life.
SELECT 1

-- From here on what is around the postings: audit, books and exports, imports, the bank.

-- name: audit_trail
-- The audit trail of a unit, computed anew (audit.sql); `first_broken` null: nothing was touched.
SELECT json_build_object('unit', $1::int, 'entries', entry_count, 'head', head,
    'is_whole', first_broken IS NULL, 'first_broken', first_broken)::text
FROM ledger.audit_trail($1)

-- name: books
-- Complete books of units for one fiscal year, a row each; $1 units, $2 fiscal year, $3 cash accounts.
-- Balances and cash come from the running balances, so that a reader can compare them with the lines.
SELECT json_build_object('unit', b.unit,
    'documents', (
        SELECT coalesce(json_agg(json_build_object(
            'document', d.document, 'kind', d.kind, 'number', d.number, 'fiscal_year', d.fiscal_year,
            'period', ledger.period_text(d.period), 'date', d.date, 'key', d.key, 'gross', d.gross::text,
            'budget_line', d.budget_line, 'status', coalesce(w.status, d.status),
            'lines', (
                SELECT coalesce(json_agg(json_build_array(account::text, debit::text, credit::text)
                    ORDER BY position), '[]')
                FROM ledger.line AS l WHERE l.unit = b.unit AND l.document = d.document
            )) ORDER BY d.document), '[]')
        FROM ledger.document AS d
        LEFT JOIN ledger.workflow AS w ON w.unit = d.unit AND w.document = d.document
        WHERE d.unit = b.unit AND d.fiscal_year = $2
    ),
    'trial_balance', (
        SELECT coalesce(json_agg(json_build_object('period', ledger.period_text(period), 'account', account::text,
            'opening', (closing - debit + credit)::text, 'debit', debit::text, 'credit', credit::text,
            'closing', closing::text) ORDER BY period, account), '[]')
        FROM (
            SELECT period, account, debit, credit,
                sum(debit - credit) OVER (PARTITION BY account ORDER BY period) AS closing
            FROM ledger.balance AS m WHERE m.unit = b.unit
        ) AS t
    ),
    'cash', (
        SELECT coalesce(json_agg(json_build_object('account', account::text, 'balance', balance::text)
            ORDER BY account), '[]')
        FROM (
            SELECT account, sum(debit - credit) AS balance FROM ledger.balance AS m
            WHERE m.unit = b.unit AND account = ANY ($3) GROUP BY account
        ) AS c
    ),
    'budget', (
        SELECT coalesce(json_agg(json_build_object('budget_line', budget_line, 'appropriated', appropriated::text,
            'transferred', transferred::text, 'committed', committed::text, 'paid', paid::text,
            'remaining', (appropriated + transferred - committed - paid)::text) ORDER BY budget_line), '[]')
        FROM ledger.budget_line AS l WHERE l.unit = b.unit AND l.fiscal_year = $2
    ),
    'periods', (
        SELECT coalesce(json_agg(json_build_object('period', to_char(m, 'YYYY-MM'), 'status',
            CASE WHEN to_char(m, 'YYYYMM')::int <= b.closed_through THEN 'closed' ELSE 'open' END) ORDER BY m), '[]')
        FROM generate_series(to_date(b.first_period::text, 'YYYYMM'),
            to_date(b.last_period::text, 'YYYYMM'), interval '1 month') AS m
        WHERE ledger.fiscal_year(to_char(m, 'YYYYMM')::int) = $2
    ))::text
FROM ledger.book AS b WHERE b.unit = ANY ($1) ORDER BY b.unit

-- name: book_sizes
-- How many documents the books of units hold: what is read at once is divided by that.
SELECT unit, document_count FROM ledger.book WHERE unit = ANY ($1) ORDER BY unit

-- name: export_moment
-- How many writes the books of a unit have answered: which moment an export shows.
SELECT request_count FROM ledger.book WHERE unit = $1

-- name: export_budget
-- What is appropriated to the budget lines of a fiscal year, without what a file has not posted yet.
SELECT budget_line, l.appropriated - coalesce(n.given, 0) AS appropriated
FROM ledger.book AS b JOIN ledger.budget_line AS l ON l.unit = b.unit
LEFT JOIN ledger.import_budget($1, b.import) AS n USING (fiscal_year, budget_line)
WHERE b.unit = $1 AND fiscal_year = $2 AND l.appropriated > coalesce(n.given, 0) ORDER BY budget_line

-- name: export_documents
-- The documents of a fiscal year with their lines, in the order of their posting: budget transfers
-- ($3 true) or all others. Void are a reversed document and its reversal.
SELECT d.kind, d.fiscal_year, d.number, d.date, d.amount, d.withholding_tax, d.budget_line, d.to_line,
    d.party, d.note, w.open_amount, l.accounts, l.debits, l.credits,
    d.kind = 'reversal' OR EXISTS (SELECT FROM ledger.document AS v WHERE v.unit = $1
        AND v.reference = d.document AND v.kind = 'reversal') AS is_void
FROM ledger.document AS d
LEFT JOIN ledger.workflow AS w ON w.unit = $1 AND w.document = d.document
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(account ORDER BY position), '{}') AS accounts,
        coalesce(array_agg(debit ORDER BY position), '{}') AS debits,
        coalesce(array_agg(credit ORDER BY position), '{}') AS credits
    FROM ledger.line WHERE unit = $1 AND document = d.document
) AS l
WHERE d.unit = $1 AND d.fiscal_year = $2 AND (d.kind = 'budget_transfer') = $3 ORDER BY d.document

-- name: export_waiting
-- Documents of earlier fiscal years that still wait, with their lines, as above.
SELECT d.kind, d.fiscal_year, d.number, d.date, d.amount, d.withholding_tax, d.budget_line, d.to_line,
    d.party, d.note, w.open_amount, l.accounts, l.debits, l.credits, false AS is_void
FROM ledger.workflow AS w
JOIN ledger.document AS d ON d.unit = $1 AND d.document = w.document
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(account ORDER BY position), '{}') AS accounts,
        coalesce(array_agg(debit ORDER BY position), '{}') AS debits,
        coalesce(array_agg(credit ORDER BY position), '{}') AS credits
    FROM ledger.line WHERE unit = $1 AND document = d.document
) AS l
WHERE w.unit = $1 AND w.is_open AND d.fiscal_year < $2 ORDER BY d.document

-- name: receive_import
-- Keep an uploaded file, or name the import that stands in its way: the same key, the same file, or
-- another file of the unit that is not finished.
WITH new AS (
    INSERT INTO ledger.import (unit, import, content_hash, file_name, account, content)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING import, content_hash
)
SELECT import, content_hash, true AS is_new FROM new
UNION ALL
SELECT import, content_hash, false FROM ledger.import
WHERE unit = $1 AND (import = $2 OR (content_hash = $3 AND state <> 'refused')
    OR state IN ('received', 'checking', 'posting'))

-- name: take_import
-- Take the unfinished file that waited longest, for $1 seconds; a file whose worker died comes back.
UPDATE ledger.import
SET state = CASE state WHEN 'received' THEN 'checking' ELSE state END,
    turn_at = now(), taken_until = now() + make_interval(secs => $1)
WHERE (unit, import) = (
    SELECT unit, import FROM ledger.import
    WHERE state IN ('received', 'checking', 'posting') AND taken_until < now()
    ORDER BY turn_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING unit, import, state

-- name: keep_import
-- Hold a taken file for $3 more seconds; 0 gives it back.
UPDATE ledger.import SET taken_until = now() + make_interval(secs => $3)
WHERE unit = $1 AND import = $2

-- name: import_to_check
-- A file that waits to be checked, and what it is checked against; no row while another checks it.
SELECT i.content, i.account, b.first_period, b.last_period
FROM ledger.import AS i JOIN ledger.book AS b ON b.unit = i.unit
WHERE i.unit = $1 AND i.import = $2 AND i.state = 'checking'
    AND pg_try_advisory_xact_lock(hashtextextended(i.import::text, i.unit))

-- name: accept_import
-- Reserve everything that a checked file needs, or say why not (imports.sql).
SELECT sheet, row_number, column_name, value, code FROM ledger.accept_import($1, $2)

-- name: refuse_import
-- Close a file that is refused, with its report; nothing of it stays but that.
WITH gone AS (DELETE FROM ledger.import_document WHERE unit = $1 AND import = $2)
UPDATE ledger.import
SET state = 'refused', content = NULL, row_count = $3, problem_count = $4, problems = $5
WHERE unit = $1 AND import = $2 AND state = 'checking'

-- name: begin_import
-- The file is accepted: from here on it is posted, whatever happens.
UPDATE ledger.import SET state = 'posting', row_count = $3, document_count = $4
WHERE unit = $1 AND import = $2 AND state = 'checking'

-- name: post_import
-- Post the next documents of a file (imports.sql); how many are left.
SELECT ledger.post_import($1, $2, $3)

-- name: import
-- How far an import is, and what is wrong with it.
SELECT json_build_object('unit', unit, 'import', import, 'file_name', file_name, 'state', state,
    'rows', row_count, 'documents', document_count, 'documents_posted', posted_count,
    'problem_count', problem_count, 'problems', problems)::text
FROM ledger.import WHERE unit = $1 AND import = $2

-- name: take_bank_orders
-- Take at most $1 orders whose time has come, for $2 seconds; orders whose worker died come back.
WITH due AS MATERIALIZED (
    SELECT unit, document FROM ledger.bank_order
    WHERE state = 'waiting' AND next_at <= now() AND taken_until <= now()
    ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE ledger.bank_order AS o
SET attempts = o.attempts + 1, taken_until = now() + make_interval(secs => $2)
FROM due JOIN ledger.document AS d ON d.unit = due.unit AND d.document = due.document
WHERE o.unit = due.unit AND o.document = due.document
RETURNING o.unit, o.document, o.attempts, d.key, d.party AS payee,
    (d.amount - d.withholding_tax)::text AS amount

-- name: settle_bank_orders
-- Write down what the bank said to orders, and when to ask again where it said nothing.
UPDATE ledger.bank_order AS o
SET state = a.state, bank_reference = a.reference, reason = a.reason,
    next_at = now() + make_interval(secs => a.pause_s), taken_until = '-infinity'
FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::float8[])
    AS a (unit, document, state, reference, reason, pause_s)
WHERE o.unit = a.unit AND o.document = a.document AND o.state = 'waiting'

-- name: bank_orders
-- 50 e-payments of the unit and what the bank said to them: what it refused and still stands in the books
-- as paid first, then the newest.
SELECT json_build_object('unit', $1::int, 'orders', coalesce(json_agg(json_build_object(
    'document', o.document, 'number', d.number, 'date', d.date, 'payee', d.party,
    'amount', (d.amount - d.withholding_tax)::text, 'state', o.state, 'attempts', o.attempts,
    'bank_reference', o.bank_reference, 'reason', o.reason) ORDER BY o.is_wrong DESC, o.document DESC), '[]'))::text
FROM (
    SELECT *, state = 'refused' AND NOT EXISTS (SELECT FROM ledger.document AS v
        WHERE v.unit = $1 AND v.reference = o.document AND v.kind = 'reversal') AS is_wrong
    FROM ledger.bank_order AS o WHERE unit = $1 ORDER BY is_wrong DESC, document DESC LIMIT 50
) AS o JOIN ledger.document AS d ON d.unit = $1 AND d.document = o.document

-- name: receive_statement
-- Take the lines of a bank statement (bank.sql).
SELECT outcome, answer FROM ledger.receive_statement($1, $2, $3::text::bytea, $4, $5)

-- name: bank_reconciliation
-- Books and bank at the end of a period: $2 period, $3 bank accounts, $4 its last day. What the bank
-- does not have is judged by the documents that its lines name; a document and its reversal that both
-- stand only in the books cancel out. Unexplained is what the bank moved in another amount.
WITH open AS MATERIALIZED (
    SELECT min(d.document) AS document, sum(l.debit - l.credit) AS amount
    FROM ledger.line AS l JOIN ledger.document AS d ON d.unit = $1 AND d.document = l.document
    WHERE l.unit = $1 AND l.account = ANY ($3) AND l.period <= $2 AND d.kind <> 'opening'
        AND NOT EXISTS (SELECT FROM ledger.bank_entry AS e
            WHERE e.unit = $1 AND e.document = l.document AND e.date <= $4)
    GROUP BY CASE d.kind WHEN 'reversal' THEN d.reference ELSE d.document END
    HAVING sum(l.debit - l.credit) <> 0
), foreign_entry AS MATERIALIZED (
    SELECT e.entry, e.date, e.amount, e.document, e.description FROM ledger.bank_entry AS e
    WHERE e.unit = $1 AND e.date <= $4 AND NOT EXISTS (SELECT FROM ledger.line AS l
        WHERE l.unit = $1 AND l.document = e.document AND l.account = ANY ($3) AND l.period <= $2)
), total AS MATERIALIZED (
    SELECT (SELECT coalesce(sum(debit - credit), 0) FROM ledger.balance
            WHERE unit = $1 AND account = ANY ($3) AND period <= $2)::numeric(24, 2) AS book,
        ((SELECT coalesce(sum(l.debit - l.credit), 0)
            FROM ledger.document AS d JOIN ledger.line AS l ON l.unit = $1 AND l.document = d.document
            WHERE d.unit = $1 AND d.kind = 'opening' AND l.account = ANY ($3) AND l.period <= $2)
            + (SELECT coalesce(sum(amount), 0) FROM ledger.bank_entry
            WHERE unit = $1 AND date <= $4))::numeric(24, 2) AS bank,
        (SELECT coalesce(sum(amount), 0) FROM open)::numeric(24, 2) AS open,
        (SELECT coalesce(sum(amount), 0) FROM foreign_entry)::numeric(24, 2) AS not_in_books
), listed AS MATERIALIZED (
    SELECT o.amount < 0 AS is_payment, json_build_object('count', count(*), 'total', sum(o.amount)::text,
        'items', json_agg(json_build_object('document', d.document, 'kind', d.kind, 'number', d.number,
            'date', d.date, 'party', d.party, 'note', d.note, 'amount', o.amount::text,
            'state', (SELECT state FROM ledger.bank_order WHERE unit = $1 AND document = d.document))
            ORDER BY d.document) FILTER (WHERE o.place <= 200)) AS part
    FROM (SELECT *, row_number() OVER (PARTITION BY amount < 0 ORDER BY document) AS place FROM open) AS o
    JOIN ledger.document AS d ON d.unit = $1 AND d.document = o.document
    GROUP BY o.amount < 0
)
SELECT json_build_object('unit', $1::int, 'period', ledger.period_text($2),
    'book_balance', t.book::text, 'statement_balance', t.bank::text,
    'payments_outstanding', coalesce((SELECT part FROM listed WHERE is_payment),
        '{"count":0,"total":"0.00","items":[]}'),
    'deposits_in_transit', coalesce((SELECT part FROM listed WHERE NOT is_payment),
        '{"count":0,"total":"0.00","items":[]}'),
    'not_in_books', (
        SELECT json_build_object('count', count(*), 'total', t.not_in_books::text, 'items', coalesce(
            json_agg(json_build_object('entry', f.entry, 'date', f.date, 'amount', f.amount::text,
                'document', f.document, 'description', f.description) ORDER BY f.place)
                FILTER (WHERE f.place <= 200), '[]'))
        FROM (SELECT *, row_number() OVER (ORDER BY date, entry) AS place FROM foreign_entry) AS f
    ),
    'unexplained', (t.book - t.bank - t.open + t.not_in_books)::text)::text
FROM total AS t
