"""A synthetic city: two districts, two community organizations, and what families answered.

    summary = generate(Path("pilot"), PilotPlan(students=2_000, seed=7))

Each organization gets a folder of CSV files, one for each table it has. Every person is made up.
"""

from deploy.local.pilot.generation import OrganizationMade, PilotSummary, generate
from deploy.local.pilot.region import PilotPlan, School

__all__ = ["OrganizationMade", "PilotPlan", "PilotSummary", "School", "generate"]
