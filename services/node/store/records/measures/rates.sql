SELECT student_key, school_id, enrolled AS days_enrolled, absent AS days_absent,
       CAST(enrolled - absent AS DOUBLE PRECISION) / enrolled AS attendance_rate
FROM student_days
WHERE enrolled > 0
