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
    WHERE p.kind = 'payment' AND p.prepared_by = r.prepared_by
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
