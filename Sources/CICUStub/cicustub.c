// ICU's data, of which there is none: 34 MB of locales, calendars and converters that Foundation would bring into a
// static program, and that ours never ask for. It is laid out as ICU's own empty data are (stubdata.cpp): what asks is
// told that there is nothing (U_MISSING_RESOURCE_ERROR), and goes on with the root's rules.

#include <stdint.h>

#ifdef LVS_STATIC

struct Header {
  uint16_t headerSize;
  uint8_t magic1, magic2;
  // UDataInfo
  uint16_t size, reservedWord;
  uint8_t isBigEndian, charsetFamily, sizeofUChar, reservedByte;
  uint8_t dataFormat[4], formatVersion[4], dataVersion[4];
};

struct Data {
  struct Header header;
  uint8_t padding[32 - sizeof(struct Header)];
  // A table of contents with nothing in it.
  uint32_t count, reserved;
  uint32_t names[4];
};

__attribute__((aligned(16))) const struct Data icudt76_dat = {
    .header = {.headerSize = 32, .magic1 = 0xda, .magic2 = 0x27, .size = 20, .isBigEndian = 0, .charsetFamily = 0,
               .sizeofUChar = 2, .dataFormat = {'T', 'o', 'C', 'P'}, .formatVersion = {1}},
};

#endif
