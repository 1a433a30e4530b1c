import subprocess

# 1. Analyze local log files directly
log_errors = subprocess.run(
    ['grep', '-i', 'ERROR', '/workspace/app.log'],
    capture_output=True,
    text=True
).stdout

error_count = len(log_errors.split('\n'))

# 2. Get additional context from database (proxied)
error_details = tools['database'].run(
    query=f"SELECT * FROM error_logs WHERE timestamp > NOW() - INTERVAL '1 hour'"
)

# 3. Generate analysis file
with open('/sandbox/hourly_report.txt', 'w') as f:
    f.write(f"Hourly Error Report\n")
    f.write(f"=" * 50 + "\n\n")
    f.write(f"Log file errors: {error_count}\n")
    f.write(f"Database errors: {len(error_details)}\n\n")
    f.write("Recent errors:\n")
    for error in error_details[:10]:
        f.write(f"- {error['message']}\n")

# 4. Send notification (proxied)
if error_count > 100:
    alert_result = tools['alerting'].run(
        message=f"High error rate detected: {error_count} errors in last hour",
        priority='high',
        channels=['email', 'slack']
    )
    print(f"Alert sent: {alert_result}")

# 5. Copy report to outputs
subprocess.run(['cp', '/sandbox/hourly_report.txt', '/outputs/'])

result = f"Report generated: {error_count} errors found"
