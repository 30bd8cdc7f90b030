"""Writes what a node tells of its intakes as messages."""

from homeroom.api.node.v1 import node_service_pb2 as pb
from services.node.domain.intake_history import Intakes, KeptRun, SchoolReported

_NEWEST = 20


def tell_intakes(status: pb.GetNodeStatusResponse, intakes: Intakes) -> None:
    """Adds the newest intakes and the schools' days to a status."""
    status.change_sequence = intakes.change_sequence()
    status.intakes.extend(_run(one) for one in intakes.newest(_NEWEST))
    status.schools.extend(_school(one) for one in intakes.schools())


def _run(kept: KeptRun) -> pb.IntakeRun:
    run = pb.IntakeRun(
        run=kept.run,
        source=kept.source,
        format=kept.format_name,
        rejected_count=kept.rejected,
        tables=[
            pb.TableTally(
                table=one.table,
                read_count=one.read,
                added_count=one.added,
                changed_count=one.changed,
                removed_count=one.removed,
                ended_count=one.ended,
                rejected_count=one.rejected,
            )
            for one in kept.tables
        ],
    )
    run.finish_time.FromDatetime(kept.finished_at)
    return run


def _school(reported: SchoolReported) -> pb.SchoolAttendance:
    last = reported.last_reported_date
    return pb.SchoolAttendance(
        school_id=reported.school_id,
        attendance_kind=reported.attendance_kind,
        last_reported_date=last.isoformat() if last else "",
    )
