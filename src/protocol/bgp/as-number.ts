/** Stands for a number of four octets where there is room for two (RFC 6793 §9). */
export const AS_TRANS = 23_456;

export const LAST_TWO_OCTET_AS = 0xffff;
