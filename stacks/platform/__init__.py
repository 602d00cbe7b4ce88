"""The constructs that all sites share: queues, data stores, network, functions, event rules, alarms."""
