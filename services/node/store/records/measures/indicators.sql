-- Attendance, behavior, courses: in grades up to 8 after Balfanz, above after Wisconsin DPI.
, failed AS (
    SELECT student_key,
           COUNT(DISTINCT course_code) AS courses,
           SUM(CASE WHEN LOWER(course_title) LIKE '%math%' OR LOWER(course_title) LIKE '%algebra%'
                      OR LOWER(course_title) LIKE '%geometry%'
                      OR LOWER(course_title) LIKE '%english%'
                      OR LOWER(course_title) LIKE '%language arts%' THEN 1 ELSE 0 END) AS core
    FROM course_grade
    WHERE letter_grade IN ('F', 'F+', 'F-') AND grade_kind <> 'gradebook'
    GROUP BY student_key
),
removed AS (
    SELECT student_key, COUNT(*) AS actions
    FROM discipline_action
    WHERE action_type IN ('in_school_suspension', 'out_of_school_suspension', 'expulsion')
      AND action_date >= :first_day AND action_date <= :last_day
    GROUP BY student_key
),
whole AS (
    SELECT student_key, SUM(enrolled) AS enrolled, SUM(absent) AS absent
    FROM student_days
    GROUP BY student_key
)
SELECT s.student_key, s.grade_level,
       CASE WHEN COALESCE(w.enrolled, 0) < :min_days THEN NULL
            WHEN s.grade_level IN ('09', '10', '11', '12')
                THEN CASE WHEN w.absent * 10 >= w.enrolled THEN 1 ELSE 0 END
            WHEN w.absent * 5 > w.enrolled THEN 1 ELSE 0 END AS attendance,
       CASE WHEN r.actions > 0 THEN 1 ELSE 0 END AS behavior,
       CASE WHEN s.grade_level IN ('09', '10', '11', '12')
                THEN CASE WHEN COALESCE(f.courses, 0) > 0 THEN 1 ELSE 0 END
            WHEN COALESCE(f.core, 0) > 0 THEN 1 ELSE 0 END AS courses
FROM student s
LEFT JOIN whole w ON w.student_key = s.student_key
LEFT JOIN removed r ON r.student_key = s.student_key
LEFT JOIN failed f ON f.student_key = s.student_key
ORDER BY s.student_key
