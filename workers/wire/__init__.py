"""What goes over Kafka: records, verdicts and ports; CloudEvents and their codecs; events taken in from outside."""
