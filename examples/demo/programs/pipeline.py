import subprocess
import json

# 1. Extract data from files
data = subprocess.run(
    ['cat', '/workspace/data.json'],
    capture_output=True, text=True
).stdout

# 2. Process data
records = json.loads(data)
processed = [r for r in records if r['status'] == 'pending']

# 3. Store results in sandbox
with open('/sandbox/processed.json', 'w') as f:
    json.dump(processed, f)

# 4. Upload to database (proxied)
result = tools['database'].run(
    operation='bulk_insert',
    table='processed_records',
    data=processed
)

# 5. Generate report
subprocess.run([
    'bash', '-c',
    'wc -l /workspace/data.json > /outputs/report.txt'
])
