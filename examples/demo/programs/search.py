import subprocess

# Find all Python files
py_files = subprocess.run(
    ['find', '/workspace', '-name', '*.py', '-type', 'f'],
    capture_output=True, text=True
).stdout.strip().split('\n')

# Count lines of code
total_lines = 0
for file in py_files:
    lines = subprocess.run(
        ['wc', '-l', file],
        capture_output=True, text=True
    ).stdout.split()[0]
    total_lines += int(lines)

# Store metrics (proxied)
tools['metrics'].run(
    metric='codebase_size',
    value=total_lines,
    tags={'language': 'python'}
)
