# The T1 backbone of NSFNET: 13 nodes, 15 links.
# Written from the public list of its nodes and links.
graph [
  label "Nsfnet"
  node [ id 0 label "Houston" ]
  node [ id 1 label "Princeton" ]
  node [ id 2 label "Atlanta" ]
  node [ id 3 label "Pittsburgh" ]
  node [ id 4 label "Ithaca" ]
  node [ id 5 label "Seattle" ]
  node [ id 6 label "Palo Alto" ]
  node [ id 7 label "San Diego" ]
  node [ id 8 label "Salt Lake City" ]
  node [ id 9 label "Boulder" ]
  node [ id 10 label "Lincoln" ]
  node [ id 11 label "Champaign" ]
  node [ id 12 label "Ann Arbor" ]
  edge [ source 0 target 2 ]  # Houston - Atlanta
  edge [ source 0 target 7 ]  # Houston - San Diego
  edge [ source 0 target 11 ]  # Houston - Champaign
  edge [ source 1 target 2 ]  # Princeton - Atlanta
  edge [ source 1 target 4 ]  # Princeton - Ithaca
  edge [ source 3 target 12 ]  # Pittsburgh - Ann Arbor
  edge [ source 4 target 12 ]  # Ithaca - Ann Arbor
  edge [ source 5 target 6 ]  # Seattle - Palo Alto
  edge [ source 5 target 9 ]  # Seattle - Boulder
  edge [ source 6 target 7 ]  # Palo Alto - San Diego
  edge [ source 6 target 12 ]  # Palo Alto - Ann Arbor
  edge [ source 8 target 9 ]  # Salt Lake City - Boulder
  edge [ source 9 target 11 ]  # Boulder - Champaign
  edge [ source 10 target 11 ]  # Lincoln - Champaign
  edge [ source 11 target 12 ]  # Champaign - Ann Arbor
]
