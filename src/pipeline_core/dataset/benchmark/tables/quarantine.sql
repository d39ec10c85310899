select distinct place as "row", reason from faults
