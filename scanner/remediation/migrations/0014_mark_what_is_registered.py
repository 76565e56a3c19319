"""Marks the findings of hosts that left the register before findings knew."""

from django.db import migrations

from targets.addresses import AddressError, parse_address
from targets.scope import Reach


def mark(apps, schema_editor):
    alias = schema_editor.connection.alias
    organisation, target, finding = (
        apps.get_model(*name)
        for name in (('targets', 'Organisation'), ('targets', 'Target'), ('remediation', 'Finding'))
    )
    for owner in organisation.objects.using(alias).order_by('pk'):
        rows = finding.objects.using(alias).filter(organisation=owner).order_by()
        values = target.objects.using(alias).filter(organisation=owner, retired_at=None).values_list('value', flat=True)
        try:
            reach = Reach.of(values if owner.retired_at is None else ())
        except ValueError:
            continue  # nobody can tell, so everything counts as registered
        domains = owner.domains if owner.retired_at is None else ()
        for host, transport in rows.values_list('host', 'transport').distinct():
            if not (host in domains if transport == 'dns' else _reaches(reach, host)):
                rows.filter(host=host, transport=transport).update(registered=False)


def _reaches(reach, host):
    try:
        return reach.covers(parse_address(host))
    except AddressError:
        return host in reach.hostnames


class Migration(migrations.Migration):

    dependencies = [
        ('remediation', '0013_finding_registered'),
        ('targets', '0007_target_proposals'),
    ]

    operations = [
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
