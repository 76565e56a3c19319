"""The outbox: every mail that is to leave, with what became of it; and the notices that organisations are to answer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from scanner.remediation.models import Finding


class MessageKind(models.TextChoices):
    """What a mail is about."""

    ROUND_REPORT = "round-report"
    URGENT_ALERT = "urgent-alert"
    NOTICE = "notice"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    REINSPECTION = "re-inspection"
    RECURRENCE = "recurrence"
    EXEMPTION_ENDING = "exemption-ending"
    AUTHORISATION_ENDING = "authorisation-ending"
    DIGEST = "digest"
    BULLETIN = "bulletin"
    ROUND_SUMMARY = "round-summary"
    INVITATION = "invitation"
    ACCOUNT = "account"


class MessageState(models.TextChoices):
    """``SENDING`` is claimed by a mailer whose lease runs; ``DEAD`` was given up and the operator is told of it."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Message(models.Model):
    """One mail to one recipient. ``key`` makes it unique for life: what was told once is not told again.

    ``attempt`` counts how often it was claimed and fences, as a job's does. ``reply`` is the server's last answer, or
    what went wrong. ``message_id`` never changes, so that a mail sent twice is known as one. ``report`` or ``bulletin``
    is attached when the mail leaves.
    """

    key = models.CharField(max_length=300, unique=True)
    kind = models.CharField(max_length=24, choices=MessageKind.choices)
    organisation = models.ForeignKey(
        "targets.Organisation", on_delete=models.PROTECT, null=True, related_name="messages"
    )
    recipient = models.EmailField()
    language = models.CharField(max_length=10)
    message_id = models.CharField(max_length=200, unique=True)
    subject = models.CharField(max_length=400)
    text = models.TextField()
    html = models.TextField()
    report = models.ForeignKey("reports.Report", on_delete=models.PROTECT, null=True, related_name="messages")
    bulletin = models.ForeignKey("reports.Bulletin", on_delete=models.PROTECT, null=True, related_name="messages")
    state = models.CharField(max_length=10, choices=MessageState.choices, default=MessageState.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    created = models.DateTimeField()
    not_before = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    reply = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=MessageKind.values), name="message_kind_is_known"),
            models.CheckConstraint(condition=Q(state__in=MessageState.values), name="message_state_is_known"),
        )
        indexes = (
            models.Index(fields=("state", "not_before"), name="message_to_send"),
            # Lists of them, the newest first: read in their order, without the texts.
            models.Index(fields=("state", "id"), name="message_by_state"),
            models.Index(fields=("kind", "id"), name="message_by_kind"),
            # What is old enough to be emptied, which is asked for daily: the texts of others are not read for that.
            models.Index(fields=("state", "finished"), name="message_full_by_end", condition=Q(text__gt="")),
        )

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"


class Attachment(models.Model):
    """A file that goes with a mail and is not a kept report; ``content`` is packed (:mod:`scanner.packing`)."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    content = models.BinaryField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name


class ReportPassword(models.Model):
    """Reports to this organisation are encrypted; ``sealed`` is the password, see :mod:`scanner.delivery.passwords`."""

    organisation = models.OneToOneField(
        "targets.Organisation", on_delete=models.PROTECT, related_name="report_password"
    )
    sealed = models.CharField(max_length=500)

    def __str__(self) -> str:
        return f"password for the reports of {self.organisation}"


class Notice(models.Model):
    """A rectification notice (整改通知书): asks one organisation to fix findings by a date.

    ``number`` is its document number, ``serial`` the running one within ``year``. ``answer_by`` is when the reply slip
    is due: up to, not including, that moment. ``posted`` is when its mail was put into the outbox, ``answered`` when
    each finding that it asks for had an answer. ``withdrawn`` notices stay on record.
    """

    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="notices")
    round = models.ForeignKey("rounds.Round", on_delete=models.PROTECT, null=True, related_name="notices")
    year = models.PositiveIntegerField()
    serial = models.PositiveIntegerField()
    number = models.CharField(max_length=100, unique=True)
    issued = models.DateTimeField()
    issued_by = models.CharField(max_length=200)
    answer_by = models.DateTimeField()
    posted = models.DateTimeField(null=True, blank=True)
    answered = models.DateTimeField(null=True, blank=True)
    withdrawn = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("year", "serial"), name="notice_number_is_given_once"),
            models.UniqueConstraint(fields=("organisation", "round"), name="round_gives_one_notice"),
        )
        indexes = (models.Index(fields=("posted",), name="notice_by_posting"),)

    def __str__(self) -> str:
        return self.number


class NoticeDocument(models.Model):
    """A notice as it was issued, in one language; ``html`` is UTF-8, packed (:mod:`scanner.packing`).

    So is ``pdf``, the same as PDF; it is empty until somebody needed it.
    """

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="documents")
    language = models.CharField(max_length=10)
    html = models.BinaryField()
    pdf = models.BinaryField(default=b"")

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("notice", "language"), name="notice_is_written_once"),)

    def __str__(self) -> str:
        return f"{self.notice} in {self.language}"


class NoticeItem(models.Model):
    """One finding of a notice and by when it is to be fixed, as the notice says it.

    ``to_check`` marks one that is merely possible: the organisation is asked to look into it, not to fix it.
    """

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="items")
    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="notice_items")
    deadline = models.DateTimeField(null=True, blank=True)
    to_check = models.BooleanField(default=False)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("notice", "finding"), name="finding_stands_once_in_a_notice"),)

    def __str__(self) -> str:
        return f"{self.finding} in {self.notice}"


class Answer(models.TextChoices):
    """What an organisation may say of a finding in a reply."""

    FIXED = "fixed"
    ACCEPT = "accept"
    DISPUTE = "dispute"
    IN_PROGRESS = "in-progress"


class Reply(models.Model):
    """One answer to one item of a notice, as it was read; only added to.

    ``detail`` holds what the form said, by the names of its columns; ``digest`` (SHA-256, hex) tells the same answer
    that is read twice.
    """

    item = models.ForeignKey(NoticeItem, on_delete=models.PROTECT, related_name="replies")
    answer = models.CharField(max_length=12, choices=Answer.choices)
    detail = models.JSONField(default=dict)
    by = models.CharField(max_length=200)
    at = models.DateTimeField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("item", "digest"), name="reply_is_read_once"),
            models.CheckConstraint(condition=Q(answer__in=Answer.values), name="reply_answer_is_known"),
        )

    def __str__(self) -> str:
        return f"{self.answer}: {self.item}"


class Told(models.Model):
    """A step of which people were told; ``key`` names what was told of what, once for ever."""

    key = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
