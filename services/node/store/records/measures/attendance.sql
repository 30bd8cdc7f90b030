-- The days each student was enrolled, was there and was absent, at each school.
--
-- A day has one status: where several events stand, one that says the student was seen comes first,
-- for an absence that was corrected often stays beside its correction. An absent day is one of which
-- at least half was missed. Days in gaps between spells, or after the school last reported, are
-- nobody's; a school that never reported has none at all. An event at a school that the student has no spell at, in the days measured, counts
-- where it stands: real files name the wrong school, or forget a spell.
WITH member AS (
    SELECT student_key, school_id, first_day,
           CASE WHEN :exit_day_counts = 1 THEN last_day END AS last_day,
           CASE WHEN :exit_day_counts = 0 THEN last_day END AS gone_on
    FROM enrollment
    WHERE first_day <= :last_day AND COALESCE(last_day, :last_day) >= :first_day
),
enrolled_somewhere AS (
    SELECT DISTINCT student_key FROM enrollment
),
event AS (
    SELECT a.student_key, a.school_id, a.event_date,
           MIN(CASE a.category
                   WHEN 'in_attendance' THEN 1
                   WHEN 'tardy' THEN 2
                   WHEN 'early_departure' THEN 3
                   WHEN 'partial' THEN 7
                   WHEN 'excused_absence' THEN 5
                   ELSE 6
               END) AS rank,
           MAX(CASE WHEN a.category IN ('excused_absence', 'unexcused_absence')
                    THEN COALESCE(a.duration_days, 1) ELSE 0 END) AS missed
    FROM attendance a
    WHERE a.event_date >= :first_day AND a.event_date <= :last_day
      AND (NOT EXISTS (SELECT 1 FROM member m
                       WHERE m.student_key = a.student_key AND m.school_id = a.school_id)
           OR EXISTS (SELECT 1 FROM member m
                      WHERE m.student_key = a.student_key AND m.school_id = a.school_id
                        AND a.event_date >= m.first_day
                        AND (m.last_day IS NULL OR a.event_date <= m.last_day)
                        AND (m.gone_on IS NULL OR a.event_date < m.gone_on)))
    GROUP BY a.student_key, a.school_id, a.event_date
),
-- The days of a school: its calendar, if that is whole; else how many its terms say they have.
calendar AS (
    SELECT c.school_id, c.calendar_date
    FROM calendar_date c
    JOIN school s ON s.school_id = c.school_id
    WHERE c.instructional AND c.calendar_date >= :first_day AND c.calendar_date <= :last_day
      AND c.calendar_date <= s.last_reported_date
),
term AS (
    SELECT school_id, begin_date, end_date, instructional_days
    FROM session
    WHERE instructional_days IS NOT NULL
      AND COALESCE(begin_date, :first_day) <= :last_day
      AND COALESCE(end_date, :last_day) >= :first_day
),
term_days AS (
    SELECT school_id, SUM(instructional_days) AS days FROM term GROUP BY school_id
),
calendar_days AS (
    SELECT school_id, COUNT(*) AS days FROM calendar GROUP BY school_id
),
reported AS (
    SELECT DISTINCT school_id, event_date
    FROM attendance
    WHERE event_date >= :first_day AND event_date <= :last_day
),
reported_days AS (
    SELECT school_id, COUNT(*) AS days FROM reported GROUP BY school_id
),
-- A calendar with fewer than half of the days that the terms have is only a part of one.
school_days AS (
    SELECT s.school_id, s.attendance_kind, s.last_reported_date,
           CASE WHEN c.days IS NOT NULL AND 2 * c.days >= COALESCE(t.days, 0) THEN 1 ELSE 0
           END AS has_calendar,
           CASE
               WHEN s.attendance_kind = 'every_day' THEN COALESCE(r.days, 0)
               WHEN c.days IS NOT NULL AND 2 * c.days >= COALESCE(t.days, 0) THEN c.days
               ELSE COALESCE(t.days, r.days, 0)
           END AS days_in_session,
           COALESCE(r.days, 0) AS days_reported
    FROM school s
    LEFT JOIN calendar_days c ON c.school_id = s.school_id
    LEFT JOIN term_days t ON t.school_id = s.school_id
    LEFT JOIN reported_days r ON r.school_id = s.school_id
),
-- Who is at a school: by spells, or by the student's present school where there are no spells.
pupil AS (
    SELECT DISTINCT student_key, school_id
    FROM member
    UNION
    SELECT DISTINCT student_key, school_id
    FROM event
    UNION
    SELECT s.student_key, s.school_id
    FROM student s
    WHERE s.school_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM enrolled_somewhere e WHERE e.student_key = s.student_key)
),
told AS (
    SELECT student_key, school_id, COUNT(*) AS days,
           SUM(CASE WHEN rank IN (5, 6) AND missed * 2 >= 1 THEN 1 ELSE 0 END) AS absent
    FROM event
    GROUP BY student_key, school_id
),
spell_days AS (
    SELECT m.student_key, m.school_id, COUNT(DISTINCT c.calendar_date) AS calendar_days
    FROM member m
    JOIN calendar c ON c.school_id = m.school_id AND c.calendar_date >= m.first_day
        AND (m.last_day IS NULL OR c.calendar_date <= m.last_day)
        AND (m.gone_on IS NULL OR c.calendar_date < m.gone_on)
    GROUP BY m.student_key, m.school_id
),
-- Without a calendar, a part of the year is measured by the days on which the school reported.
spell_share AS (
    SELECT m.student_key, m.school_id, COUNT(DISTINCT r.event_date) AS reported_days
    FROM member m
    JOIN reported r ON r.school_id = m.school_id AND r.event_date >= m.first_day
        AND (m.last_day IS NULL OR r.event_date <= m.last_day)
        AND (m.gone_on IS NULL OR r.event_date < m.gone_on)
    GROUP BY m.student_key, m.school_id
),
student_days AS (
    SELECT p.student_key, p.school_id,
           CASE
               WHEN d.attendance_kind = 'every_day' THEN COALESCE(t.days, 0)
               WHEN d.last_reported_date IS NULL THEN 0
               WHEN NOT EXISTS (SELECT 1 FROM enrolled_somewhere e
                                WHERE e.student_key = p.student_key) THEN d.days_in_session
               WHEN d.has_calendar = 1 THEN COALESCE(c.calendar_days, 0)
               WHEN d.days_reported = 0 THEN 0
               ELSE d.days_in_session * COALESCE(h.reported_days, 0) / d.days_reported
           END AS enrolled,
           COALESCE(t.absent, 0) AS absent
    FROM pupil p
    JOIN school_days d ON d.school_id = p.school_id
    LEFT JOIN told t ON t.student_key = p.student_key AND t.school_id = p.school_id
    LEFT JOIN spell_days c ON c.student_key = p.student_key AND c.school_id = p.school_id
    LEFT JOIN spell_share h ON h.student_key = p.student_key AND h.school_id = p.school_id
)
