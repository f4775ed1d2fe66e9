# The Italian research network GARR, January 1999: 16 nodes, 18 links.
# Written from the public list of its nodes and links.
graph [
  label "Garr199901"
  node [ id 0 label "Firenze" ]
  node [ id 1 label "Bologna" ]
  node [ id 2 label "Torino" ]
  node [ id 3 label "Genova" ]
  node [ id 4 label "Napoli" ]
  node [ id 5 label "Pavia" ]
  node [ id 6 label "Padova" ]
  node [ id 7 label "Milano" ]
  node [ id 8 label "Pisa" ]
  node [ id 9 label "Cagliari" ]
  node [ id 10 label "Roma" ]
  node [ id 11 label "L'Aquila" ]
  node [ id 12 label "Bari" ]
  node [ id 13 label "Catania" ]
  node [ id 14 label "Palermo" ]
  node [ id 15 label "Trieste" ]
  edge [ source 0 target 1 ]  # Firenze - Bologna
  edge [ source 1 target 4 ]  # Bologna - Napoli
  edge [ source 1 target 6 ]  # Bologna - Padova
  edge [ source 1 target 7 ]  # Bologna - Milano
  edge [ source 1 target 8 ]  # Bologna - Pisa
  edge [ source 1 target 10 ]  # Bologna - Roma
  edge [ source 2 target 7 ]  # Torino - Milano
  edge [ source 3 target 7 ]  # Genova - Milano
  edge [ source 4 target 7 ]  # Napoli - Milano
  edge [ source 4 target 10 ]  # Napoli - Roma
  edge [ source 4 target 12 ]  # Napoli - Bari
  edge [ source 4 target 13 ]  # Napoli - Catania
  edge [ source 4 target 14 ]  # Napoli - Palermo
  edge [ source 5 target 7 ]  # Pavia - Milano
  edge [ source 7 target 10 ]  # Milano - Roma
  edge [ source 7 target 15 ]  # Milano - Trieste
  edge [ source 9 target 10 ]  # Cagliari - Roma
  edge [ source 10 target 11 ]  # Roma - L'Aquila
]
