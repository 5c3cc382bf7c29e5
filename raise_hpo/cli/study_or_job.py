"""What a user may name: a study, a training, or one of a study's jobs."""

from __future__ import annotations

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder, find_study
from raise_hpo.train.folder import find_study_or_training


def find_study_or_job(reference: str | None) -> StudyFolder:
    """A study or training by its name, its folder, or the number of a job; the latest study if nothing is given.

    Raises:
        UserError: There is none.
    """
    if reference is None or not reference.isdecimal():
        return find_study_or_training(reference)
    from raise_hpo.cluster.queue import find_by_job

    try:
        return find_by_job(reference)
    except UserError as error:
        try:
            return find_study(reference)
        except UserError:
            raise error from None
