"""Reports and bulletins as they were made, kept as they were sent."""

from __future__ import annotations

from django.db import models


class Report(models.Model):
    """What one organisation was told of one round, in one language.

    ``html`` and ``json`` are UTF-8, packed (:mod:`scanner.packing`); ``digest`` is the SHA-256 (hex) of the HTML.
    When its time is over both are emptied; the row stays, so that it isn't made anew, and proves a copy by its digest.
    """

    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="reports")
    round = models.ForeignKey("rounds.Round", on_delete=models.PROTECT, related_name="reports")
    language = models.CharField(max_length=10)
    generated = models.DateTimeField()
    html = models.BinaryField()
    json = models.BinaryField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("organisation", "round", "language"), name="report_is_made_once"),
        )
        # What is old enough to be emptied, which is asked for daily: the pages of others are not read for that.
        indexes = (models.Index(fields=("generated",), name="report_by_age"),)

    def __str__(self) -> str:
        return f"report on {self.organisation} after {self.round}"

    @property
    def is_pruned(self) -> bool:
        """Whether its content is gone, because its time was over."""
        return not self.html


class ReportFile(models.Model):
    """A kept report in a further form; ``content`` is packed (:mod:`scanner.packing`), ``form`` is a ``ReportFormat``.

    It is made with the report, of the same model, and goes when the report's content does.
    """

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="files")
    form = models.CharField(max_length=10)
    content = models.BinaryField()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("report", "form"), name="report_form_is_made_once"),)

    def __str__(self) -> str:
        return f"{self.report} as {self.form}"


class Bulletin(models.Model):
    """What was sent of the units below an organisation (None: of all units, to the office), in one language.

    It is about the days from ``first`` to ``last``, with names or ``nameless``. Contents and ``digest`` are those of a
    :class:`Report`; sent again, to others, it is another row, as more may be known of the period by then. ``pdf`` is
    the page as PDF, packed (:mod:`scanner.packing`); it is empty until somebody needed it.
    """

    organisation = models.ForeignKey(
        "targets.Organisation", on_delete=models.PROTECT, null=True, related_name="bulletins"
    )
    first = models.DateField()
    last = models.DateField()
    nameless = models.BooleanField(default=False)
    language = models.CharField(max_length=10)
    generated = models.DateTimeField()
    html = models.BinaryField()
    json = models.BinaryField()
    pdf = models.BinaryField(default=b"")
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"bulletin on {self.organisation or 'all units'}, {self.first} to {self.last}"

    @property
    def is_pruned(self) -> bool:
        """Whether its content is gone, because its time was over."""
        return not self.html
