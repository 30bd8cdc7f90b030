SELECT s.school_id, d.days_in_session,
       COUNT(*) AS students,
       SUM(s.enrolled) AS days_enrolled,
       SUM(s.enrolled - s.absent) AS days_attended,
       SUM(CASE WHEN s.enrolled >= :min_days AND s.absent * 10 >= s.enrolled THEN 1 ELSE 0 END)
           AS chronic,
       SUM(CASE WHEN s.enrolled >= :min_days THEN 1 ELSE 0 END) AS long_enough
FROM student_days s
JOIN school_days d ON d.school_id = s.school_id
WHERE s.enrolled > 0
GROUP BY s.school_id, d.days_in_session
ORDER BY s.school_id
