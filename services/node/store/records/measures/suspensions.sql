, suspended AS (
    SELECT DISTINCT student_key, school_id, action_type
    FROM discipline_action
    WHERE action_type IN ('in_school_suspension', 'out_of_school_suspension')
      AND action_date >= :first_day AND action_date <= :last_day
),
-- Where there are no spells, who was suspended at a school was there.
counted AS (
    SELECT student_key, school_id FROM pupil
    UNION
    SELECT s.student_key, s.school_id
    FROM suspended s
    WHERE s.school_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM enrolled_somewhere e WHERE e.student_key = s.student_key)
)
SELECT p.school_id, COUNT(DISTINCT p.student_key) AS students,
       COUNT(DISTINCT CASE WHEN s.action_type = 'in_school_suspension'
                           THEN s.student_key END) AS in_school,
       COUNT(DISTINCT CASE WHEN s.action_type = 'out_of_school_suspension'
                           THEN s.student_key END) AS out_of_school,
       COUNT(DISTINCT s.student_key) AS suspended
FROM counted p
LEFT JOIN suspended s ON s.student_key = p.student_key
    AND (s.school_id = p.school_id OR s.school_id IS NULL)
GROUP BY p.school_id
ORDER BY p.school_id
