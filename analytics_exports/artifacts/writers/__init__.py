"""The formats. Each module implements ``artifacts.formats.FileFormat``.

arrow          Arrow IPC
delimited      CSV
ndjson         NDJSON
parquet        Parquet
sheet          XLSX: the XML of a sheet
sheet_columns  XLSX: columns as XML cells
sheet_numbers  XLSX: which values can be numbers
spreadsheet    XLSX: the format
workbook       XLSX: the parts around the sheets
"""
