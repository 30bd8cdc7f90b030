, suspended AS (
    SELECT DISTINCT student_key, school_id
    FROM discipline_action
    WHERE action_type IN ('in_school_suspension', 'out_of_school_suspension')
      AND action_date >= :first_day AND action_date <= :last_day
)
SELECT p.student_key, p.school_id,
       MAX(CASE WHEN s.student_key IS NULL THEN 0 ELSE 1 END) AS suspended
FROM pupil p
LEFT JOIN suspended s ON s.student_key = p.student_key
    AND (s.school_id = p.school_id OR s.school_id IS NULL)
GROUP BY p.student_key, p.school_id
ORDER BY p.school_id, p.student_key
