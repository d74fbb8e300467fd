-- What auditors ask. The audit trail of a unit: its answered writes in order, each with a link that
-- is the SHA-256 of the link before and of what was written. Both are computed anew here, from what
-- the tables hold now; what a document has beside the linked text stands in its linked answer. What
-- a fill put there without a request stands before the first link.
CREATE VIEW ledger.trail_begin AS
SELECT d.unit, sha256(
    sha256(convert_to(string_agg(ROW(d.document, d.kind, d.fiscal_year, d.number, d.period, d.date,
        d.prepared_by, d.gross, d.amount, d.withholding_tax, d.budget_line, d.to_line, d.party, d.note,
        d.reference)::text, E'\n' ORDER BY d.document), 'UTF8'))
    || coalesce((SELECT sha256(convert_to(string_agg(concat_ws(' ', l.document, l.position, l.account, l.debit,
        l.credit), E'\n' ORDER BY l.document, l.position), 'UTF8'))
        FROM ledger.line AS l WHERE l.unit = d.unit AND l.document <= max(d.document)), '')
    || coalesce((SELECT sha256(convert_to(string_agg(concat_ws(' ', l.fiscal_year, l.budget_line, l.account,
        l.brought), E'\n' ORDER BY l.fiscal_year, l.budget_line), 'UTF8'))
        FROM ledger.budget_line AS l WHERE l.unit = d.unit AND l.brought <> 0), '')) AS link
FROM ledger.document AS d WHERE d.key IS NULL GROUP BY d.unit;

-- The trail of one unit: how many links, its head, and the first position that is not what it was (0:
-- what stood there before the first write; one past the end: something was taken off or never listed).
CREATE FUNCTION ledger.audit_trail(of_unit int)
RETURNS TABLE (entry_count int, head text, first_broken int) LANGUAGE sql STABLE
SET enable_hashjoin = on SET enable_mergejoin = on SET datestyle = 'ISO'
BEGIN ATOMIC
    WITH origin AS (
        SELECT coalesce((SELECT link FROM ledger.trail_begin WHERE unit = of_unit), '') AS link
    ), entry AS (
        SELECT r.position, r.link, row_number() OVER (ORDER BY r.position) AS place,
            coalesce(lag(r.link) OVER (ORDER BY r.position), (SELECT link FROM origin)) AS before,
            ledger.trail_text(r.key, r.account, r.payload_hash, r.answer, d.date,
                coalesce(d.gross, 0), coalesce(d.amount, 0), coalesce(d.withholding_tax, 0),
                d.budget_line, d.to_line, d.party, d.note, d.reference, l.accounts, l.debits,
                l.credits) AS content,
            (d.document IS NULL OR r.account = d.prepared_by AND r.answered_at = d.posted_at
                AND d.fiscal_year = ledger.fiscal_year(d.period)
                AND (d.period = to_char(d.date, 'YYYYMM')::int)
                AND r.answer = ledger.answer_text(d.document, d.number, d.kind, d.period, d.status)
            ) AS is_as_answered
        FROM ledger.request AS r
        LEFT JOIN ledger.document AS d ON d.unit = r.unit AND d.key = r.key
        LEFT JOIN LATERAL (
            SELECT array_agg(account ORDER BY position) AS accounts,
                array_agg(debit ORDER BY position) AS debits,
                array_agg(credit ORDER BY position) AS credits
            FROM ledger.line WHERE unit = of_unit AND document = d.document
        ) AS l ON true
        WHERE r.unit = of_unit
    )
    SELECT b.request_count, encode(b.head, 'hex'), least(
        (SELECT min(place) FROM entry
            WHERE position <> place OR link <> ledger.link(before, content) OR NOT is_as_answered),
        CASE WHEN b.request_count <> (SELECT count(*) FROM entry)
            OR b.head <> coalesce((SELECT link FROM entry ORDER BY position DESC LIMIT 1),
                (SELECT link FROM origin))
            OR EXISTS (SELECT FROM ledger.document AS d WHERE d.unit = of_unit AND d.key IS NOT NULL
                AND NOT EXISTS (SELECT FROM ledger.request AS r
                    WHERE r.unit = of_unit AND r.key = d.key))
            THEN b.request_count + 1 END)::int
    FROM ledger.book AS b WHERE b.unit = of_unit;
END;

-- Each answered write with what was closed when it was written, what it closed itself if anything, and
-- what the last closing or reopening of the unit left closed: retold from the answers alone.
CREATE VIEW ledger.closing AS
WITH write AS (
    SELECT r.unit, r.position, d.kind, d.period, m.closes, m.was
    FROM ledger.request AS r LEFT JOIN ledger.document AS d ON d.unit = r.unit AND d.key = r.key
    LEFT JOIN LATERAL (
        SELECT ledger.previous_period(d.period) AS closes, d.period AS was WHERE d.kind = 'period_reopening'
        UNION ALL
        SELECT d.period, ledger.previous_period(d.period) WHERE d.kind = 'year_close'
        UNION ALL
        SELECT told.period, ledger.previous_period(told.period)
        FROM (SELECT (substr(r.answer, 12, 4) || substr(r.answer, 17, 2))::int AS period) AS told
        WHERE r.answer LIKE '{"period":"____-__","status":"closed"}'
    ) AS m ON true
), placed AS (
    SELECT w.*, max(position) FILTER (WHERE closes IS NOT NULL) OVER (PARTITION BY unit ORDER BY position
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS move_before,
        min(position) FILTER (WHERE closes IS NOT NULL) OVER (PARTITION BY unit) AS first_move,
        max(position) FILTER (WHERE closes IS NOT NULL) OVER (PARTITION BY unit) AS last_move
    FROM write AS w
)
SELECT p.unit, p.position, p.kind, p.period, p.closes,
    coalesce(b.closes, f.was, k.closed_through) AS closed_before, l.closes AS closed_last, k.closed_through
FROM placed AS p JOIN ledger.book AS k ON k.unit = p.unit
LEFT JOIN write AS b ON b.unit = p.unit AND b.position = p.move_before
LEFT JOIN write AS f ON f.unit = p.unit AND f.position = p.first_move
LEFT JOIN write AS l ON l.unit = p.unit AND l.position = p.last_move;

-- Count what must never be: one row per invariant, 0 in a right ledger. For tests and auditors.
CREATE FUNCTION ledger.audit() RETURNS TABLE (invariant text, violations bigint) LANGUAGE sql AS $$
    SELECT 'document_balances', count(*) FROM (
        SELECT FROM ledger.document AS d LEFT JOIN ledger.line AS l USING (unit, document)
        GROUP BY d.unit, d.document, d.gross
        HAVING coalesce(sum(l.debit), 0) <> d.gross OR coalesce(sum(l.credit), 0) <> d.gross
    ) AS v
    UNION ALL
    SELECT 'lines_without_document', count(*)
    FROM ledger.line AS l LEFT JOIN ledger.document AS d USING (unit, document)
    WHERE d.document IS NULL OR d.period <> l.period
    UNION ALL
    SELECT 'period_balances', count(*) FROM (
        SELECT FROM ledger.line GROUP BY unit, period HAVING sum(debit) <> sum(credit)
    ) AS v
    UNION ALL
    SELECT 'numbers_gapless', count(*) FROM (
        SELECT unit, kind, fiscal_year, count(*) AS documents, min(number) AS low, max(number) AS high
        FROM ledger.document GROUP BY unit, kind, fiscal_year
    ) AS n FULL JOIN ledger.counter AS c USING (unit, kind, fiscal_year)
    WHERE (n.low = 1 AND n.high = n.documents AND n.high = c.last_number) IS NOT TRUE
    UNION ALL
    SELECT 'budget_negative', count(*) FROM ledger.budget_line
    WHERE appropriated + transferred - committed - paid < 0
    UNION ALL
    SELECT 'budget_transfers_sum_to_zero', count(*) FROM (
        SELECT FROM ledger.budget_line GROUP BY unit, fiscal_year HAVING sum(transferred) <> 0
    ) AS v
    UNION ALL
    SELECT 'trial_balance_is_lines', count(*) FROM (
        SELECT unit, period, account, sum(debit) AS debit, sum(credit) AS credit
        FROM ledger.line GROUP BY unit, period, account
    ) AS l FULL JOIN ledger.balance AS b USING (unit, period, account)
    WHERE (l.debit = b.debit AND l.credit = b.credit) IS NOT TRUE
    UNION ALL
    SELECT 'two_persons_on_a_payment', count(*)
    FROM ledger.document AS p JOIN ledger.document AS r
        ON r.unit = p.unit AND r.document = p.reference
    WHERE p.kind IN ('payment', 'advance', 'deposit_refund', 'tax_remittance_payment', 'reversal')
        AND p.prepared_by = r.prepared_by
    UNION ALL
    SELECT 'one_person_moves_no_money', count(*) FROM ledger.document AS d
    WHERE d.key IS NOT NULL
        AND (d.kind = 'advance' AND d.reference IS NULL OR d.kind = 'journal_voucher' AND 0 <> (
            SELECT coalesce(sum(l.debit - l.credit), 0)
            FROM ledger.line AS l JOIN ledger.chart AS c USING (account)
            WHERE c.is_cash AND l.unit = d.unit AND l.document = d.document))
        AND NOT EXISTS (SELECT FROM ledger.reference AS r WHERE r.unit = d.unit AND r.key = d.key)
    UNION ALL
    SELECT 'committed_is_its_documents', count(*) FROM ledger.budget_line AS l
    LEFT JOIN (
        SELECT unit, fiscal_year, budget_line, sum(committed) AS committed FROM (
            SELECT d.unit, d.fiscal_year, d.budget_line, d.amount
                * (CASE WHEN coalesce(o.kind, d.kind) = 'payment' THEN -1 ELSE 1 END)
                * (CASE WHEN d.kind = 'reversal' THEN -1 ELSE 1 END) AS committed
            FROM ledger.document AS d LEFT JOIN ledger.document AS o
                ON d.kind = 'reversal' AND o.unit = d.unit AND o.document = d.reference
            WHERE coalesce(o.kind, d.kind) IN ('disbursement_request', 'commitment', 'payment')
        ) AS one GROUP BY unit, fiscal_year, budget_line
    ) AS d USING (unit, fiscal_year, budget_line)
    WHERE l.committed <> coalesce(d.committed, 0)
        AND unit NOT IN (SELECT unit FROM ledger.book WHERE import IS NOT NULL)
    UNION ALL
    SELECT 'paid_requests_are_payments', count(*) FROM (
        SELECT w.unit, w.document FROM ledger.workflow AS w WHERE w.status IN ('paid', 'granted')
    ) AS w FULL JOIN (
        SELECT p.unit, p.reference AS document FROM ledger.document AS p
        WHERE p.kind = 'advance' AND p.reference IS NOT NULL
            OR p.kind IN ('payment', 'tax_remittance_payment') AND NOT EXISTS (SELECT FROM ledger.document AS v
                WHERE v.unit = p.unit AND v.reference = p.document AND v.kind = 'reversal')
    ) AS p USING (unit, document)
    WHERE w.document IS NULL OR p.document IS NULL
    UNION ALL
    SELECT 'cash_is_its_documents', count(*) FROM (
        SELECT b.unit, b.account, sum(b.debit - b.credit) AS balance
        FROM ledger.balance AS b JOIN ledger.chart AS c USING (account)
        WHERE c.is_cash GROUP BY b.unit, b.account
    ) AS b FULL JOIN (
        SELECT d.unit, l.account, sum(l.debit - l.credit) AS moved
        FROM ledger.document AS d JOIN ledger.line AS l USING (unit, document)
        JOIN ledger.chart AS c USING (account)
        WHERE c.is_cash GROUP BY d.unit, l.account
    ) AS m USING (unit, account)
    WHERE b.balance IS DISTINCT FROM m.moved
    UNION ALL
    SELECT 'year_opens_as_it_closed', count(*) FROM (
        SELECT FROM ledger.counter AS y
        JOIN ledger.balance AS b ON b.unit = y.unit AND b.account >= 4000000
            AND ledger.fiscal_year(b.period) <= y.fiscal_year
        WHERE y.kind = 'year_close'
        GROUP BY y.unit, y.fiscal_year, b.account HAVING sum(b.debit) <> sum(b.credit)
    ) AS v
    UNION ALL
    SELECT 'budget_is_its_documents', count(*) FROM (
        SELECT * FROM ledger.budget_line
        WHERE unit NOT IN (SELECT unit FROM ledger.book WHERE import IS NOT NULL)
    ) AS l FULL JOIN (
        SELECT unit, fiscal_year, budget_line, sum(appropriated) AS appropriated,
            sum(transferred) AS transferred, sum(paid) AS paid
        FROM (
            SELECT d.unit, d.fiscal_year, d.budget_line,
                CASE WHEN e.kind IN ('budget_ordinance', 'supplementary_budget') THEN e.amount ELSE 0 END
                    AS appropriated,
                CASE WHEN e.kind = 'budget_transfer' THEN -d.amount ELSE 0 END AS transferred,
                CASE WHEN e.kind IN ('payment', 'back_dated_payment') THEN e.amount ELSE 0 END AS paid
            FROM ledger.document AS d LEFT JOIN ledger.document AS o
                ON d.kind = 'reversal' AND o.unit = d.unit AND o.document = d.reference
            CROSS JOIN LATERAL (SELECT coalesce(o.kind, d.kind) AS kind,
                CASE d.kind WHEN 'reversal' THEN -d.amount ELSE d.amount END AS amount) AS e
            WHERE d.budget_line IS NOT NULL
            UNION ALL
            SELECT unit, fiscal_year, to_line, 0, amount, 0 FROM ledger.document WHERE to_line IS NOT NULL
        ) AS one
        WHERE unit NOT IN (SELECT unit FROM ledger.book WHERE import IS NOT NULL)
        GROUP BY unit, fiscal_year, budget_line
    ) AS e USING (unit, fiscal_year, budget_line)
    WHERE (l.appropriated - l.brought = coalesce(e.appropriated, 0)
        AND l.transferred = coalesce(e.transferred, 0) AND l.paid = coalesce(e.paid, 0)) IS NOT TRUE
    UNION ALL
    SELECT 'steps_were_taken', count(*)
    FROM ledger.workflow AS w JOIN ledger.document AS d USING (unit, document)
    LEFT JOIN (
        SELECT p.unit, p.reference AS document, sum(p.amount) AS amount FROM ledger.document AS p
        WHERE p.kind IN ('payment', 'advance', 'advance_return', 'advance_clearing', 'deposit_refund',
                'tax_remittance_payment')
            AND (p.kind = 'advance' OR NOT EXISTS (SELECT FROM ledger.document AS v  -- ends its request
                WHERE v.unit = p.unit AND v.reference = p.document AND v.kind = 'reversal'))
        GROUP BY p.unit, p.reference
    ) AS taken USING (unit, document)
    WHERE d.key IS NOT NULL AND (w.people[1] <> d.prepared_by
        OR w.open_amount <> CASE w.status WHEN 'reversed' THEN 0 ELSE d.amount - coalesce(taken.amount, 0) END
        OR w.is_open <> (w.open_amount > 0)
        OR d.kind = 'disbursement_request' AND (
            w.status IN ('checked', 'approved', 'paid') AND NOT EXISTS (SELECT FROM ledger.request AS r
                WHERE r.unit = w.unit
                    AND r.answer = ledger.answer_text(d.document, d.number, d.kind, d.period, 'checked'))
            OR w.status IN ('approved', 'paid') AND NOT EXISTS (SELECT FROM ledger.request AS r
                WHERE r.unit = w.unit
                    AND r.answer = ledger.answer_text(d.document, d.number, d.kind, d.period, 'approved'))))
    UNION ALL
    SELECT 'closed_as_answered', count(*) FROM ledger.closing AS c
    WHERE c.period <= c.closed_before AND c.kind NOT IN ('period_reopening', 'year_close')
        OR c.closed_through <> c.closed_last
    UNION ALL
    SELECT 'audit_trail', count(*) FROM ledger.book AS b
    CROSS JOIN LATERAL ledger.audit_trail(b.unit) AS t WHERE t.first_broken IS NOT NULL
    UNION ALL
    SELECT 'e_payments_are_ordered', count(*) FROM (
        SELECT unit, document FROM ledger.document
        WHERE note = 'e-payment' AND amount > withholding_tax
            AND kind IN ('payment', 'advance', 'deposit_refund', 'tax_remittance_payment')
    ) AS p FULL JOIN ledger.bank_order AS o USING (unit, document)
    WHERE p.document IS NULL OR o.document IS NULL
    UNION ALL
    SELECT 'imports_whole', count(*) FROM ledger.import AS i
    LEFT JOIN (
        SELECT r.unit, r.import, count(d.key) AS documents
        FROM ledger.reference AS r
        LEFT JOIN ledger.document AS d ON d.unit = r.unit AND d.key = r.key
        GROUP BY r.unit, r.import
    ) AS n ON n.unit = i.unit AND n.import = i.import
    WHERE coalesce(n.documents, 0) <> CASE i.state
        WHEN 'done' THEN i.document_count WHEN 'posting' THEN i.posted_count ELSE 0 END
$$;
