# Routers that meet on plain switches: three on one of them, two on another.  Plain
# switches pass no LLDP; what they join is found by broadcasts.
graph [
  label "Segment"
  node [ id 0 label "North" ]
  node [ id 1 label "East" ]
  node [ id 2 label "South" ]
  node [ id 3 label "West" ]
  node [ id 4 label "Exchange" kind "l2" ]               # a bridge of the kernel
  node [ id 5 label "Repeater" kind "l2" bridge "ovs" ]  # an Open vSwitch without controller
  edge [ source 0 target 4 ]
  edge [ source 1 target 4 ]
  edge [ source 2 target 4 ]
  edge [ source 2 target 5 ]
  edge [ source 3 target 5 ]
  edge [ source 3 target 0 cost 5 ]                      # a link as any other
]
