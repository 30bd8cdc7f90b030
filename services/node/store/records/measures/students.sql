SELECT student_key, school_id, enrolled, absent,
       CASE WHEN enrolled >= :min_days AND absent * 10 >= enrolled THEN 1 ELSE 0 END AS chronic,
       CASE WHEN enrolled < :min_days OR enrolled = 0 THEN NULL
            WHEN absent * 20 < enrolled THEN 'satisfactory'
            WHEN absent * 10 < enrolled THEN 'at_risk'
            WHEN absent * 5 < enrolled THEN 'moderate'
            ELSE 'severe' END AS tier
FROM student_days
WHERE enrolled > 0
ORDER BY school_id, student_key
