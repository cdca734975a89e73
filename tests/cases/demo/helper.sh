# no demonstration
