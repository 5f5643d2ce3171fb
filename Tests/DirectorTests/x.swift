import LVS
