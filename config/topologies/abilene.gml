# The Abilene backbone of Internet2, 2005: 11 nodes, 14 links.
# Written from the public list of its nodes and links.
graph [
  label "Abilene"
  node [ id 0 label "New York" ]
  node [ id 1 label "Chicago" ]
  node [ id 2 label "Washington DC" ]
  node [ id 3 label "Seattle" ]
  node [ id 4 label "Sunnyvale" ]
  node [ id 5 label "Los Angeles" ]
  node [ id 6 label "Denver" ]
  node [ id 7 label "Kansas City" ]
  node [ id 8 label "Houston" ]
  node [ id 9 label "Atlanta" ]
  node [ id 10 label "Indianapolis" ]
  edge [ source 0 target 1 ]  # New York - Chicago
  edge [ source 0 target 2 ]  # New York - Washington DC
  edge [ source 1 target 10 ]  # Chicago - Indianapolis
  edge [ source 2 target 9 ]  # Washington DC - Atlanta
  edge [ source 3 target 4 ]  # Seattle - Sunnyvale
  edge [ source 3 target 6 ]  # Seattle - Denver
  edge [ source 4 target 5 ]  # Sunnyvale - Los Angeles
  edge [ source 4 target 6 ]  # Sunnyvale - Denver
  edge [ source 5 target 8 ]  # Los Angeles - Houston
  edge [ source 6 target 7 ]  # Denver - Kansas City
  edge [ source 7 target 8 ]  # Kansas City - Houston
  edge [ source 7 target 10 ]  # Kansas City - Indianapolis
  edge [ source 8 target 9 ]  # Houston - Atlanta
  edge [ source 9 target 10 ]  # Atlanta - Indianapolis
]
