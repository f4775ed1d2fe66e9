# Two islands of OpenFlow switches with a router between them that is none.
graph [
  label "Islands"
  node [ id 0 label "Left A" ]
  node [ id 1 label "Left B" ]
  node [ id 2 label "Old router" kind "legacy" ]
  node [ id 3 label "Right A" ]
  node [ id 4 label "Right B" ]
  edge [ source 0 target 1 ]
  edge [ source 1 target 2 ]
  edge [ source 2 target 3 ]
  edge [ source 3 target 4 ]
]
