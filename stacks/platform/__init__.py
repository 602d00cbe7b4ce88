"""What all sites share: queues, data stores, network, functions, event rules, alarms."""
