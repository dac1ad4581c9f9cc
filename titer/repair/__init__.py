"""What kills, full disks and failing disks leave behind and DVC does not mend."""
